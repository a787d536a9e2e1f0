"""Operation + supergraph -> `Plan`. Pure and deterministic."""

from dataclasses import replace

from botberi_gateway.errors import PlanningError
from botberi_gateway.operation import Operation, prepare
from botberi_gateway.operation.defer import Defers
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.operation.prepare import STRUCTURE
from botberi_gateway.plan import Condition, Defer, EventTrigger, Fetch, Parallel, Plan, PlanNode, Sequence, Subscription
from botberi_gateway.planner.defer import with_deferred
from botberi_gateway.planner.emit import Emitter
from botberi_gateway.planner.events import event_start, key_sources
from botberi_gateway.planner.fetch_graph import Position
from botberi_gateway.planner.search import search, search_from_one
from botberi_gateway.planner.series import in_series
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.unions import narrowed
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import QueryGraph, query_graph
from botberi_gateway.supergraph import Supergraph

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

    A text is checked first for what planning relies on (types of arguments and variables are `prepare`'s, which a gateway calls). The executor answers introspection, so plans have none of it. Raises `PlanningError`
    where no plan answers the operation, `RequestError` for a text that isn't valid. `labels` are those of progressive overrides that are active.
    Without `defer`, what the client defers is planned as if it didn't: for one answer at once.
    """
    if isinstance(operation, str):
        operation = prepare(supergraph.api_schema, operation, operation_name, UNLIMITED, STRUCTURE)
    graph = query_graph(supergraph, labels)
    defers = Defers(operation.document) if defer and operation.kind != "subscription" else None
    walker = _walker(supergraph, graph, operation, defers)
    root = graph.roots[operation.kind]
    if root is None:
        raise PlanningError(f"The supergraph has no {operation.kind} type")
    fields = tuple(f for f in walker.fields(root, [operation.selection_set]) if f.name not in _INTROSPECTION)
    fields, withheld = narrowed(graph, root, fields)
    emitter = Emitter(graph, operation)
    node: PlanNode | Subscription | None
    if operation.kind == "subscription":
        node = _subscription(supergraph, graph, walker, emitter, operation, root, fields)
    elif operation.kind == "mutation":
        node = _mutation(graph, walker, emitter, root, fields)
    else:
        parts = search(graph, walker, lambda: (Position(root, frozenset((root,))), []), fields) if fields else []
        node = emitter.node(parts, "query")
    if defers and not isinstance(node, Subscription):
        node = with_deferred(node, emitter.deferred, operation, defers)
    emitter.finish()
    count, depth = measure(node)
    return Plan(operation.kind, node, count, depth, withheld=withheld)


def _walker(supergraph: Supergraph, graph: QueryGraph, operation: Operation, defers: Defers | None) -> Walker:
    walker = Walker(graph, operation.fragments, _known_on(supergraph, "FIELD"), defers)
    walker.fragment_directives = _known_on(supergraph, "INLINE_FRAGMENT")
    walker.variables = frozenset(v.variable.name.value for v in operation.variable_definitions)
    return walker


def _known_on(supergraph: Supergraph, location: str) -> frozenset[str]:
    """Directives that subgraphs get as the client wrote them: composition leaves those that all of them define."""
    return frozenset(
        d.name.value
        for d in supergraph.directive_definitions
        if any(place.value == location for place in d.locations)
        and d.name.value not in ("skip", "include", "defer", "stream")
    )


def _mutation(
    graph: QueryGraph, walker: Walker, emitter: Emitter, root: str, fields: tuple[Field, ...]
) -> PlanNode | None:
    """Root fields in series: neighbours that one subgraph resolves are one request; each is finished before the next begins."""
    chunks: list[tuple[str, list[Field]]] = []
    for field in in_series(fields):
        graphs = [resolver.graph for resolver in graph.resolvers(root, field.name)]
        if not graphs:
            raise PlanningError(f"No subgraph gives {root}.{field.name}")
        # One that several subgraphs resolve stands alone, so that it is sure to be one request.
        only = graphs[0] if len(graphs) == 1 else ""
        if only and chunks and chunks[-1][0] == only:
            chunks[-1][1].append(field)
        else:
            chunks.append((only, [field]))
    nodes: list[PlanNode] = []
    for _, chunk in chunks:
        if len(chunk) == 1:
            parts = search_from_one(graph, walker, lambda: Position(root, frozenset((root,))), chunk[0])
        else:
            parts = search(graph, walker, lambda: (Position(root, frozenset((root,))), []), tuple(chunk))
        node = emitter.node(parts, "mutation")
        if node is not None:
            nodes.extend(node.nodes if isinstance(node, Sequence) else (node,))
    if len(nodes) <= 1:
        return nodes[0] if nodes else None
    return Sequence(tuple(nodes))


def _subscription(
    supergraph: Supergraph,
    graph: QueryGraph,
    walker: Walker,
    emitter: Emitter,
    operation: Operation,
    root: str,
    fields: tuple[Field, ...],
) -> Subscription | None:
    """The root field's fetch (or event source) gives events; the rest runs for each."""
    if not fields:
        return None
    field = fields[0]
    event = event_start(supergraph, graph, walker, operation, field)
    if event is not None and event.start is None:
        return Subscription(event.trigger)
    if event is not None and event.start is not None:
        parts = search(graph, walker, event.start, event.fields)
        trigger = replace(event.trigger, key_sources=key_sources(parts))
        return Subscription(trigger, emitter.node(parts, "query"))
    if len(fields) == 1:
        parts = search_from_one(graph, walker, lambda: Position(root, frozenset((root,))), field)
    else:  # the same field under several conditions
        parts = search(graph, walker, lambda: (Position(root, frozenset((root,))), []), fields)
    first = [part for part in parts if part.kind == "root" and not part.position.path]
    if len(first) != 1:
        raise PlanningError(f"The events of {root}.{field.name} would come from more than one subgraph")
    primary = emitter.node(first, "subscription")
    assert isinstance(primary, Fetch | Condition)
    if isinstance(primary, Condition):
        raise PlanningError("@skip and @include can't stand at a subscription's root field")
    rest = [part for part in parts if part is not first[0]]
    return Subscription(primary, emitter.node(rest, "query"))


def measure(node: PlanNode | Subscription | None) -> tuple[int, int]:
    """(fetches, sequential steps), as the conformance data counts them."""
    ends: dict[int, int] = {}
    depth = _schedule(node, 0, ends)
    return len(ends), depth


def _schedule(node: PlanNode | Subscription | None, start: int, ends: dict[int, int]) -> int:
    """The step after which the node has ended, if it begins after the step `start`. Notes the same of each fetch in `ends`, by its id."""
    match node:
        case None:
            return start
        case Fetch(id):
            ends[id] = start + 1
            return start + 1
        case Sequence(nodes):
            for inner in nodes:
                start = _schedule(inner, start, ends)
            return start
        case Parallel(nodes):
            return max((_schedule(inner, start, ends) for inner in nodes), default=start)
        case Condition(_, if_true, if_false):
            return max(_schedule(if_true, start, ends), _schedule(if_false, start, ends))
        case Defer(primary, parts):
            last = _schedule(primary, start, ends)
            for part in parts:
                begin = max((ends[id] for id in part.depends), default=start)
                last = max(last, _schedule(part.node, begin, ends))
            return last
        case Subscription(primary, rest):
            return _schedule(
                rest, start if isinstance(primary, EventTrigger) else _schedule(primary, start, ends), ends
            )
    raise TypeError(node)
