"""The groups chosen for an operation -> the plan's node.

Mutations run in series, subscriptions have their events, and what is deferred stands in `Defer`.
"""

from botberi_gateway.errors import PlanningError
from botberi_gateway.plan import Condition, Fetch, OperationKind, PlanNode, Sequence, Subscription
from botberi_gateway.planner.choice import Choice
from botberi_gateway.planner.defer import with_deferred
from botberi_gateway.planner.emitter import Emitter
from botberi_gateway.planner.task import Task


def emit(task: Task, choice: Choice) -> PlanNode | Subscription | None:
    """The node of the whole plan; None where nothing is fetched. The groups are released."""
    emitter = Emitter(task.graph, task.operation)
    node: PlanNode | Subscription | None
    if choice.trigger is not None:
        node = Subscription(choice.trigger, _in_series(emitter, choice, "query"))
    elif choice.events is not None:
        events = _events(emitter, choice)
        node = Subscription(events, _in_series(emitter, choice, "query"))
    else:
        node = _in_series(emitter, choice, task.operation.kind)
        if task.defers:
            node = with_deferred(node, emitter.deferred, task.operation, task.defers)
    emitter.finish()
    return node


def _in_series(emitter: Emitter, choice: Choice, kind: OperationKind) -> PlanNode | None:
    """The chunks, one after the other."""
    nodes: list[PlanNode] = []
    for groups in choice.chunks:
        node = emitter.node(groups, kind)
        if node is not None:
            nodes.append(node)
    if len(nodes) <= 1:
        return nodes[0] if nodes else None
    return Sequence(tuple(step for node in nodes for step in (node.nodes if isinstance(node, Sequence) else (node,))))


def _events(emitter: Emitter, choice: Choice) -> Fetch:
    """The request that gives a subscription's events."""
    assert choice.events is not None
    node = emitter.node([choice.events], "subscription")
    if isinstance(node, Condition):
        raise PlanningError("@skip and @include can't stand at a subscription's root field")
    assert isinstance(node, Fetch)
    return node
