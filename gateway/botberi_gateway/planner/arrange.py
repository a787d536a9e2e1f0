"""Requests that depend on each other -> `Sequence` and `Parallel` nodes."""

from collections.abc import Iterable, Mapping

from botberi_gateway.plan import Parallel, PlanNode, Sequence
from botberi_gateway.planner.request import Request


def arrange(requests: list[Request], nodes: Mapping[Request, PlanNode]) -> PlanNode | None:
    """Requests that have nothing to do with each other in parallel, others in steps; None for no requests."""
    if not requests:
        return None
    components = _components(requests)
    if len(components) > 1:
        return _parallel([arrange(component, nodes) for component in components])
    return _in_steps(requests, nodes)


def _in_steps(requests: list[Request], nodes: Mapping[Request, PlanNode]) -> PlanNode | None:
    """First the requests that need none of the others, then the rest, arranged the same way."""
    inside = set(requests)
    first = [r for r in requests if not any(need in inside for need in r.needs)]
    rest = [r for r in requests if r not in set(first)]
    head = _parallel([nodes[request] for request in first])
    tail = arrange(rest, nodes)
    if tail is None:
        return head
    return Sequence((*_flat(head, Sequence), *_flat(tail, Sequence)))


def _flat(node: PlanNode | None, kind: type) -> tuple[PlanNode, ...]:
    """The nodes within a node of this kind, else the node itself."""
    if node is None:
        return ()
    return node.nodes if isinstance(node, kind) and isinstance(node, Sequence | Parallel) else (node,)


def _parallel(nodes: Iterable[PlanNode | None]) -> PlanNode | None:
    flat = [inner for node in nodes for inner in _flat(node, Parallel)]
    if len(flat) <= 1:
        return flat[0] if flat else None
    return Parallel(tuple(flat))


def _components(requests: list[Request]) -> list[list[Request]]:
    """The requests in groups that are connected by needs."""
    inside = set(requests)
    neighbours: dict[Request, list[Request]] = {r: [] for r in requests}
    for request in requests:
        for need in request.needs:
            if need in inside:
                neighbours[request].append(need)
                neighbours[need].append(request)
    seen: set[Request] = set()
    components = []
    for request in requests:
        if request in seen:
            continue
        component = {request}
        stack = [request]
        while stack:
            new = [other for other in neighbours[stack.pop()] if other not in component]
            component.update(new)
            stack += new
        seen |= component
        components.append([r for r in requests if r in component])
    return components
