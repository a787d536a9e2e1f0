"""Root fields of a mutation -> the same, so that whatever the variables each response key is asked for once, where the client's order has it first."""

from collections.abc import Iterable
from dataclasses import replace

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.tree import Conditions, Field

#: Ways in which a field that is selected several times under conditions can come to be the first; clients need one or two.
MAX_WAYS = 256


def in_series(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """A field that comes again holds only where none of those before it does, and brings along what later ones select (section 6.3.2)."""
    by_key: dict[str, list[Field]] = {}
    for one in fields:
        by_key.setdefault(one.key, []).append(one)
    if len(by_key) == len(fields):
        return fields
    result: list[Field] = []
    for one in fields:
        same = by_key[one.key]
        place = next(index for index, other in enumerate(same) if other is one)
        children = _together(one, same[place + 1 :])
        for conditions in _first(one.conditions, [other.conditions for other in same[:place]]):
            result.append(replace(one, conditions=conditions, children=children))
            if len(result) > MAX_WAYS + len(fields):
                raise PlanningError(f"{one.key} is selected under too many different conditions")
    return tuple(result)


def _together(one: Field, later: Iterable[Field]) -> tuple[Field, ...]:
    found = list(one.children)
    plain = {(child.key, child.types) for child in found if not child.conditions}
    for other in later:
        for child in other.children:
            conditions = _and(child.conditions, other.conditions)
            if conditions is not None and not (child.type_name is None and (child.key, child.types) in plain):
                found.append(replace(child, conditions=conditions))
    return tuple(found)


def _first(own: Conditions, before: list[Conditions]) -> list[Conditions]:
    """Conditions, no two of which hold together, under which `own` holds and none of those before."""
    ways = [own]
    for conditions in before:
        narrower: list[Conditions] = []
        for way in ways:
            for index, (variable, wanted) in enumerate(conditions):
                made = _and(way, (*conditions[:index], (variable, not wanted)))
                if made is not None:
                    narrower.append(made)
        ways = narrower
        if len(ways) > MAX_WAYS:
            break
    return ways


def _and(one: Conditions, other: Conditions) -> Conditions | None:
    """Both; None where they contradict each other."""
    found = {*one, *other}
    return None if any((variable, not wanted) in found for variable, wanted in found) else tuple(sorted(found))
