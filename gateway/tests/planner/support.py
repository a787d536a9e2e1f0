"""What the planner's tests share."""

from collections.abc import Iterator

from botberi_gateway.plan import Condition, Defer, EventTrigger, Fetch, Parallel, PlanNode, Sequence, Subscription


def fetches_of(node: PlanNode | Subscription | EventTrigger | None) -> Iterator[Fetch]:
    """Every fetch of a plan, in its order."""
    match node:
        case Fetch():
            yield node
        case Sequence(nodes) | Parallel(nodes):
            for inner in nodes:
                yield from fetches_of(inner)
        case Condition(_, if_true, if_false):
            yield from fetches_of(if_true)
            yield from fetches_of(if_false)
        case Defer(primary, parts):
            yield from fetches_of(primary)
            for part in parts:
                yield from fetches_of(part.node)
        case Subscription(primary, rest):
            yield from fetches_of(primary)
            yield from fetches_of(rest)
