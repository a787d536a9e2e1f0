"""Parts -> parts at better steps. `PASSES` are applied in order; each changes steps only, never what is selected."""

from collections.abc import Callable

from botberi_gateway.planner.fetch_graph import Part


def lower_levels(parts: list[Part]) -> None:
    """Every part as early as its needs allow (a choice made later may have made an earlier need unnecessary)."""
    for part in _in_order(parts):
        if part.kind != "event":
            part.level = 1 + max((need.level for need in part.needs), default=0)


def merge_into_later_steps(parts: list[Part]) -> None:
    """A request whose parts can all wait for later requests to the same subgraph is saved: they ride along."""
    users = _users(parts)
    last = max((part.level for part in parts), default=0)
    slots: dict[tuple[str, frozenset[int]], dict[int, list[Part]]] = {}
    for part in parts:
        if part.kind == "entity":
            slots.setdefault((part.graph, part.defers), {}).setdefault(part.level, []).append(part)
    for level in range(last - 1, 0, -1):
        for by_level in slots.values():
            moving = by_level.get(level)
            if not moving:
                continue
            targets = []
            for part in moving:
                latest = min((user.level for user in users.get(part, ())), default=last + 1) - 1
                target = next((step for step in sorted(by_level) if level < step <= latest), None)
                targets.append(target)
            if any(target is None for target in targets):
                continue
            del by_level[level]
            for part, target in zip(moving, targets, strict=True):
                assert target is not None
                part.level = target
                by_level[target].append(part)


def _users(parts: list[Part]) -> dict[Part, list[Part]]:
    users: dict[Part, list[Part]] = {}
    for part in parts:
        for need in part.needs:
            users.setdefault(need, []).append(part)
    return users


def _in_order(parts: list[Part]) -> list[Part]:
    """Needs first."""
    return sorted(parts, key=lambda part: (part.level, part.number))


PASSES: tuple[Callable[[list[Part]], None], ...] = (
    lower_levels,
    # After every part is as early as it can be: the slack is then the whole of it.
    merge_into_later_steps,
)


def optimize(parts: list[Part]) -> list[Part]:
    """Apply all passes."""
    for apply in PASSES:
        apply(parts)
    return parts
