"""Fetch groups -> the same groups at better steps.

`PASSES` are applied in order; they change steps alone, never what is selected.
"""

from collections.abc import Callable

from botberi_gateway.planner.fetch_graph import FetchGroup


def lower_steps(groups: list[FetchGroup]) -> None:
    """Every group as early as its needs allow.

    A choice that was made later may have made an earlier need unnecessary.
    """
    for group in sorted(groups, key=lambda group: (group.step, group.number)):  # needs come first
        if group.kind != "event":
            group.step = 1 + max((need.step for need in group.needs), default=0)


def merge_into_later_steps(groups: list[FetchGroup]) -> None:
    """Save a request whose groups can all wait for later requests to the same subgraph: they piggyback on those."""
    users = _users(groups)
    last = max((group.step for group in groups), default=0)
    by_subgraph: dict[tuple[str, frozenset[int]], dict[int, list[FetchGroup]]] = {}
    for group in groups:
        if group.kind == "entity":
            by_step = by_subgraph.setdefault((group.graph, group.defers), {})
            by_step.setdefault(group.step, []).append(group)
    for step in range(last - 1, 0, -1):
        for by_step in by_subgraph.values():
            targets = [
                (group, _later_step(group, by_step, users.get(group, []), last)) for group in by_step.get(step, ())
            ]
            if not targets or any(target is None for _, target in targets):
                continue
            del by_step[step]
            for group, target in targets:
                assert target is not None
                group.step = target
                by_step[target].append(group)


def _later_step(
    group: FetchGroup, by_step: dict[int, list[FetchGroup]], users: list[FetchGroup], last: int
) -> int | None:
    """The next step with a request that the group can wait for; None where there is none."""
    latest = min((user.step for user in users), default=last + 1) - 1
    return next((step for step in sorted(by_step) if group.step < step <= latest), None)


def _users(groups: list[FetchGroup]) -> dict[FetchGroup, list[FetchGroup]]:
    """Group -> the groups that need it."""
    users: dict[FetchGroup, list[FetchGroup]] = {}
    for group in groups:
        for need in group.needs:
            users.setdefault(need, []).append(group)
    return users


PASSES: tuple[Callable[[list[FetchGroup]], None], ...] = (
    lower_steps,
    # Only when every group is as early as it can be is all its slack known.
    merge_into_later_steps,
)


def optimize(groups: list[FetchGroup]) -> list[FetchGroup]:
    """Apply all passes."""
    for apply in PASSES:
        apply(groups)
    return groups
