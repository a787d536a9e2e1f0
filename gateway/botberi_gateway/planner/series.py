"""Root fields of a mutation -> the same, so that each response key is asked for once, whatever the variables are.

The fields of a mutation run in their order (GraphQL specification, section 6.3.2). In
`{ a @include(if: $x) { p } b a { q } }` the first `a` comes before `b` if `$x` is true, and selects `p` and `q`;
if it is false, `a { q }` comes after `b`. So the second `a` gets the condition that `$x` is false, and the first one
also selects `q`.
"""

from collections.abc import Iterable
from dataclasses import replace

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.conditions import Conditions, VariableCondition, in_order
from botberi_gateway.planner.tree import Field

#: Sets of conditions under which a field that is selected several times comes first; clients need one or two.
MAX_ALTERNATIVES = 256


def in_series(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Fields of the same response key hold under conditions of which no two hold together.

    Each selects what later ones select, too.
    """
    by_key: dict[str, list[Field]] = {}
    for field in fields:
        by_key.setdefault(field.key, []).append(field)
    if len(by_key) == len(fields):
        return fields
    series: list[Field] = []
    for field in fields:
        same = by_key[field.key]
        place = next(index for index, other in enumerate(same) if other is field)
        children = _with_children_of(field, same[place + 1 :])
        for conditions in _where_first(field.conditions, [other.conditions for other in same[:place]]):
            series.append(replace(field, conditions=conditions, children=children))
            if len(series) > MAX_ALTERNATIVES + len(fields):
                raise PlanningError(f"{field.key} is selected under too many different conditions")
    return tuple(series)


def _with_children_of(field: Field, later: Iterable[Field]) -> tuple[Field, ...]:
    """What the field selects, and what later ones select under their conditions."""
    children = list(field.children)
    plain = {(child.key, child.types) for child in children if not child.conditions}
    for other in later:
        for child in other.children:
            conditions = _both(child.conditions, other.conditions)
            if conditions is not None and not (child.type_name is None and (child.key, child.types) in plain):
                children.append(replace(child, conditions=conditions))
    return tuple(children)


def _where_first(own: Conditions, before: list[Conditions]) -> list[Conditions]:
    """Conditions, no two of which hold together, under which `own` holds and none of those before."""
    alternatives = [own]
    for conditions in before:
        narrower: list[Conditions] = []
        variables = in_order(conditions.variables)
        for alternative in alternatives:
            for index, (variable, value) in enumerate(variables):
                # All conditions up to this one hold, and this one doesn't.
                here = frozenset[VariableCondition]((*variables[:index], (variable, not value)))
                both = _both(alternative, Conditions(here, conditions.defers))
                if both is not None:
                    narrower.append(both)
        alternatives = narrower
        if len(alternatives) > MAX_ALTERNATIVES:
            break
    return alternatives


def _both(conditions: Conditions, other: Conditions) -> Conditions | None:
    """Both; None where they contradict each other."""
    both = conditions.union(other)
    return None if any((variable, not value) in both.variables for variable, value in both.variables) else both
