"""An object and a field that it lacks -> why: the fetch that failed to give it, or kept others from being sent."""

from collections.abc import Iterator, Sequence
from typing import Any

from botberi_gateway.executor.failure import Failure, Gap
from botberi_gateway.executor.representations import TypeNames, choice_for
from botberi_gateway.executor.view import MISSING, ListView, ObjectView, View
from botberi_gateway.plan import KeyField, KeySelection, Representation


def gap_of(view: ObjectView, key: str) -> Gap | None:
    """The fetch that should have given the field; else the nearest that failed, since what it lacks may have kept others from being sent."""
    nearest: Gap | None = None
    keys = [key]
    here: View | None = view
    while here is not None:
        if isinstance(here, ObjectView):
            # In the plan's order: who fails first must not matter.
            gaps = sorted(here.gaps, key=_fetch_number) if len(here.gaps) > 1 else here.gaps
            # A failure says more than an unknown entity does.
            if covering := [gap for gap in gaps if gap.covers(keys)]:
                return next((gap for gap in covering if gap.failure is not None), covering[0])
            if nearest is None and gaps:
                nearest = next((gap for gap in gaps if gap.failure is not None), gaps[0])
        if isinstance(here.key, str):
            keys.insert(0, here.key)
        here = here.parent
    return nearest


def _fetch_number(gap: Gap) -> int:
    return gap.fetch.id


def why_left_out(view: ObjectView, choices: Sequence[Representation], names: TypeNames) -> Failure | None:
    """Of an object that gives no representation as a field of it is absent: the failure that took the field away."""
    choice = choice_for(view, choices, names)
    return None if choice is None else next(_causes(view, choice.selections, names), None)


def _causes(value: Any, selections: Sequence[KeySelection], names: TypeNames) -> Iterator[Failure]:
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
            gap = gap_of(value, selection.source)
            if gap is not None and gap.failure is not None:
                yield gap.failure
        elif selection.selections:
            yield from _causes(child, selection.selections, names)
