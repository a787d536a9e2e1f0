"""An object and a field that it lacks -> why: the fetch that failed to give it, or kept others from being sent."""

from collections.abc import Iterator, Sequence
from typing import Any

from botberi_gateway.executor.failure import MissingData
from botberi_gateway.executor.representations import TypeNames, choice_for
from botberi_gateway.executor.view import MISSING, ListView, ObjectView, View
from botberi_gateway.plan import KeyField, KeySelection, Representation


def missing_data_of(view: ObjectView, key: str) -> MissingData | None:
    """The fetch that should have given the field; else the nearest failed fetch; else one that met an unknown entity.

    Other fetches may not have been sent because data of a failed fetch was missing, or because an object was sought
    below an unknown entity. An unknown entity that has nothing to do with the field explains nothing.
    """
    nearest: MissingData | None = None
    keys = [key]
    here: View | None = view
    while here is not None:
        if isinstance(here, ObjectView):
            # In the plan's order: which fetch fails first must not matter.
            gaps = sorted(here.missing_data, key=_fetch_number) if len(here.missing_data) > 1 else here.missing_data
            if covering := [gap for gap in gaps if gap.covers(keys)]:
                return _best_reason(covering)
            related = [gap for gap in gaps if gap.failure is not None or gap.covers(keys[:1])]
            if related and (nearest is None or nearest.failure is None):
                nearest = _best_reason(related if nearest is None else [nearest, *related])
        if isinstance(here.key, str):
            keys.insert(0, here.key)
        here = here.parent
    return nearest


def _best_reason(gaps: Sequence[MissingData]) -> MissingData:
    """The first failure, which explains more than an unknown entity; without one, the first."""
    return next((gap for gap in gaps if gap.failure is not None), gaps[0])


def _fetch_number(gap: MissingData) -> int:
    return gap.fetch.id


def why_left_out(view: ObjectView, choices: Sequence[Representation], names: TypeNames) -> MissingData | None:
    """Why an object gives no representation: a fetch should have given a field of it.

    That fetch failed, or an object is unknown to its subgraph; a failure explains more.
    """
    choice = choice_for(view, choices, names)
    if choice is None:
        return None
    causes = list(_causes(view, choice.selections, names))
    return _best_reason(causes) if causes else None


def _causes(value: Any, selections: Sequence[KeySelection], names: TypeNames) -> Iterator[MissingData]:
    if isinstance(value, ListView):
        for item in value.items:
            yield from _causes(item, selections, names)
    if not isinstance(value, ObjectView):
        return
    for selection in selections:
        if not isinstance(selection, KeyField):
            if names.includes(selection.types, names.of(value)):
                yield from _causes(value, selection.selections, names)
            continue
        child = value.child(selection.source)
        if child is MISSING:
            gap = missing_data_of(value, selection.source)
            if gap is not None:
                yield gap
        elif selection.selections:
            yield from _causes(child, selection.selections, names)
