"""A plan's nodes -> how many fetches and sequential steps it has."""

from botberi_gateway.plan import Condition, Defer, EventTrigger, Fetch, Parallel, PlanNode, Sequence, Subscription


def measure(node: PlanNode | Subscription | None) -> tuple[int, int]:
    """(fetches, sequential steps), counted as the conformance data counts them."""
    ends: dict[int, int] = {}
    steps = _end(node, 0, ends)
    return len(ends), steps


def fetch_steps(node: PlanNode | Subscription | None) -> dict[int, int]:
    """The sequential step of each fetch, from 1 on, by the fetch's id."""
    ends: dict[int, int] = {}
    _end(node, 0, ends)
    return ends


def _end(node: PlanNode | Subscription | None, start: int, ends: dict[int, int]) -> int:
    """The step in which the node ends, if it begins after the step `start`.

    Notes the same of each fetch in `ends`, by its id.
    """
    match node:
        case None:
            return start
        case Fetch(id):
            ends[id] = start + 1
            return start + 1
        case Sequence(nodes):
            for inner in nodes:
                start = _end(inner, start, ends)
            return start
        case Parallel(nodes):
            return max((_end(inner, start, ends) for inner in nodes), default=start)
        case Condition(_, if_true, if_false):
            return max(_end(if_true, start, ends), _end(if_false, start, ends))
        case Defer(primary, parts):
            last = _end(primary, start, ends)
            for part in parts:
                begin = max((ends[id] for id in part.depends), default=start)
                last = max(last, _end(part.node, begin, ends))
            return last
        case Subscription(primary, rest):
            return _end(rest, start if isinstance(primary, EventTrigger) else _end(primary, start, ends), ends)
    raise TypeError(node)
