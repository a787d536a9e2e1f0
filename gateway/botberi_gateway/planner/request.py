"""Fetch groups -> requests: groups of the same step and subgraph, under the same `@defer`s, are sent as one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from botberi_gateway.planner.conditions import ALWAYS, Conditions
from botberi_gateway.planner.fetch_graph import FetchGroup, GroupKind, Position

_NO_DEFERS: Final[frozenset[int]] = frozenset()


@dataclass(slots=True, eq=False)
class Request:
    """Groups that are sent together."""

    graph: str
    kind: GroupKind
    step: int
    #: What holds for all that it asks for. Conditions of some groups or fields stand in its operation.
    conditions: Conditions
    groups: list[FetchGroup]
    #: The `@defer`s that all of it stands under.
    defers: frozenset[int] = _NO_DEFERS
    #: The requests whose answers it depends on.
    needs: "dict[Request, None]" = field(default_factory=dict)
    #: The id of its fetch.
    number: int = 0


def requests_of(groups: list[FetchGroup]) -> list[Request]:
    """The requests in the order of their steps. Events are none."""
    groups = sorted(groups, key=lambda group: (group.step, group.number))
    _add_conditions_of_positions(groups)
    keys = {group: _key(group) for group in groups}
    for group in groups:
        if group.kind == "root":
            group.conditions = _common([group.conditions.union(c) for c in conditions_of_root_fields(group)])
    defers = _defers(groups)
    by_key: dict[object, Request] = {}
    request_of: dict[FetchGroup, Request] = {}
    for group in groups:
        if group.kind == "event":
            continue
        key = (keys[group], defers[group])
        request = by_key.get(key)
        if request is None:
            request = Request(group.graph, group.kind, group.step, group.conditions, [], defers[group])
            by_key[key] = request
        request.conditions = request.conditions.common(group.conditions)
        request.groups.append(group)
        request_of[group] = request
    for group, request in request_of.items():
        for need in group.needs:
            if need in request_of and request_of[need] is not request:
                request.needs[request_of[need]] = None
    return list(by_key.values())


def _key(group: FetchGroup) -> object:
    """Equal for groups that may be sent together. Each root selection has a request of its own."""
    key = (group.step, group.graph, group.kind)
    return (key, id(group.position), group.types, group.conditions) if group.kind == "root" else key


def conditions_of_root_fields(group: FetchGroup) -> list[Conditions]:
    """The conditions of each field at the root."""
    if group.selection.typename:
        return [ALWAYS]
    return [item.conditions for item in group.selection.items] or [ALWAYS]


def _common(conditions: list[Conditions]) -> Conditions:
    """The conditions that are in each of them."""
    common, *others = conditions
    for other in others:
        common = common.common(other)
    return common


def _add_conditions_of_positions(groups: Iterable[FetchGroup]) -> None:
    """A group gets its position's conditions where the client selects the same objects again under weaker ones.

    The objects are then there although the group isn't asked for.
    """
    if not any(group.position.conditions for group in groups):
        return
    places: dict[tuple[str, ...], list[Conditions]] = {}
    for group in groups:
        root = group.position
        while root.parent is not None:
            root = root.parent
        if root.keys not in places:
            _conditions_at(root, places)
    for group in groups:
        own = group.position.conditions
        if group.kind == "entity" and not all(own.is_implied_by(other) for other in places[group.position.keys]):
            group.conditions = group.conditions.union(own.without_defers())


def _conditions_at(position: Position, into: dict[tuple[str, ...], list[Conditions]]) -> None:
    """Response keys -> the conditions of all positions there."""
    into.setdefault(position.keys, []).append(position.conditions)
    for siblings in position.children.values():
        for child in siblings:
            _conditions_at(child, into)


def _defers(groups: list[FetchGroup]) -> dict[FetchGroup, frozenset[int]]:
    """The `@defer`s for which each group can wait; what another group needs earlier can't.

    `groups` are in the order of their steps.
    """
    defers = {group: group.defers for group in groups}
    if any(defers.values()):
        for group in reversed(groups):
            for need in group.needs:
                if need in defers:  # a subscription's first request isn't among them
                    defers[need] &= defers[group]
    return defers
