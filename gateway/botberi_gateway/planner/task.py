"""The value that all stages of planning share: one operation, and what answers questions about it."""

from dataclasses import dataclass

from botberi_gateway.errors import PlanningError
from botberi_gateway.operation import Operation
from botberi_gateway.operation.defer import Defers
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import QueryGraph, query_graph
from botberi_gateway.supergraph import Supergraph


@dataclass(frozen=True, slots=True)
class Task:
    """An operation that is to be planned."""

    supergraph: Supergraph
    graph: QueryGraph
    operation: Operation
    walker: Walker
    #: The operation's root type.
    root: str
    #: None: what the client defers is planned for one answer at once.
    defers: Defers | None


def task_of(supergraph: Supergraph, operation: Operation, labels: frozenset[str], *, with_defer: bool) -> Task:
    """Raises `PlanningError` where the supergraph has no root type for the operation."""
    graph = query_graph(supergraph, labels)
    root = graph.roots[operation.kind]
    if root is None:
        raise PlanningError(f"The supergraph has no {operation.kind} type")
    defers = Defers(operation.document) if with_defer and operation.kind != "subscription" else None
    walker = Walker(
        graph,
        operation.fragments,
        field_directives=graph.directives_on("FIELD"),
        fragment_directives=graph.directives_on("INLINE_FRAGMENT"),
        defers=defers,
        variables=frozenset(v.variable.name.value for v in operation.variable_definitions),
    )
    return Task(supergraph, graph, operation, walker, root, defers)
