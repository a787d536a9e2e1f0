"""Operation + supergraph -> `Plan`. Pure and deterministic."""

from botberi_gateway.operation import Operation, prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.operation.prepare import STRUCTURE
from botberi_gateway.plan import Plan, Withheld
from botberi_gateway.planner.choice import choose_groups
from botberi_gateway.planner.emit import emit
from botberi_gateway.planner.measure import measure
from botberi_gateway.planner.task import Task, task_of
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.unions import without_withheld
from botberi_gateway.supergraph import Supergraph

#: Fields of a root type that the executor answers.
_INTROSPECTION = frozenset({"__schema", "__type", "__typename"})


def build_plan(
    supergraph: Supergraph,
    operation: Operation | str,
    operation_name: str | None = None,
    *,
    labels: frozenset[str] = frozenset(),
    defer: bool = True,
) -> Plan:
    """What to fetch, from where, in which order.

    A text is checked first for what planning relies on; types of arguments and variables are checked by `prepare`,
    which a gateway calls. The executor answers introspection, so plans have none of it. Raises `PlanningError` where no
    plan answers the operation, `RequestError` for a text that isn't valid. `labels` are those of progressive overrides
    that are active. Without `defer`, the plan is for one answer at once.
    """
    if isinstance(operation, str):
        operation = prepare(supergraph.api_schema, operation, operation_name, UNLIMITED, STRUCTURE)
    task = task_of(supergraph, operation, labels, with_defer=defer)
    fields, withheld = walk(task)
    choice = choose_groups(task, fields)
    node = emit(task, choice)
    fetch_count, depth = measure(node)
    return Plan(operation.kind, node, fetch_count, depth, withheld=withheld)


def walk(task: Task) -> tuple[tuple[Field, ...], tuple[Withheld, ...]]:
    """The operation's fields that subgraphs are asked for, and those that none is asked for on purpose."""
    fields = task.walker.fields(task.root, [task.operation.selection_set])
    asked = tuple(field for field in fields if field.name not in _INTROSPECTION)
    return without_withheld(task.graph, task.root, asked)
