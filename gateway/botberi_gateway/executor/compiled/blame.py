"""An object and a field that it lacks -> the failure that took the field away, where its own rows alone show it.

It is what `gaps` finds in the joined view, without making one: for objects of one type whose fields come from one fetch
each, as most do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.executor.compiled.layout import KeyPath, Layout, Origin, Table, leaf_sources
from botberi_gateway.executor.compiled.support import EMPTY, Lost
from botberi_gateway.executor.compiled.walking import TYPENAME
from botberi_gateway.executor.failure import FetchFailure, MissingData


@dataclass(slots=True, eq=False)
class Giver:
    """The only fetch that may give some field of an object here.

    `needs`: what its representation is made of; None where that isn't simple.
    """

    table: Table
    type_name: str
    #: (response key, who alone may give it: None for the object itself)
    needs: "Sequence[tuple[str, Giver | None]] | None" = field(default=None)

    def failure(self, base: Mapping[str, Any], state: Mapping[str, Any]) -> FetchFailure | None:
        """Why it gave nothing. None: the joined view knows."""
        table = self.table
        index = state[table.index]
        row = index.get(id(base)) if table.by_key is None else index.get(base.get(table.by_key))
        found = EMPTY if row is None else state[table.rows][row]
        if isinstance(found, Lost):
            return found.gap.failure
        if row is not None or self.needs is None or base.get(TYPENAME) != self.type_name:
            return None
        for key, giver in self.needs:
            if giver is None:
                if key not in base:
                    return None
                continue
            failure = giver.failure(base, state)
            if failure is not None or not giver.gave(key, base, state):
                return failure
        return None

    def gave(self, key: str, base: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
        """Whether the object has the field from it."""
        table = self.table
        index = state[table.index]
        row = index.get(id(base)) if table.by_key is None else index.get(base.get(table.by_key))
        return row is not None and key in state[table.rows][row]


class Givers:
    """For each field of a program's objects the fetch that alone may give it, where there is such a fetch."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def only(self, origins: Sequence[Origin], position: KeyPath, key: str) -> Origin | None:
        """The part of an object that alone may have the field; None where there are several, or none."""
        offering = [origin for origin in origins if key in origin.keys]
        if len(offering) != 1:
            return None
        fetches, tables = self._layout.fetches, self._layout.attached.get(position, ())
        gaps = [MissingData(fetches[o.fetch], None) for o in origins if not position and o.fetch in fetches]
        gaps += [MissingData(t.fetch, None if t.entities is None else t.entities.response_key) for t in tables]
        if [gap.fetch.id for gap in gaps if gap.covers([key])] not in ([], [offering[0].fetch]):
            return None
        return offering[0]

    def of(self, origins: Sequence[Origin], position: KeyPath, key: str, type_name: str) -> Giver | None:
        """Who gives the field, where it is one fetch of entities; None where that isn't simple."""
        only = self.only(origins, position, key)
        table = None if only is None else only.table
        if table is None or table.entities is None:
            return None
        giver = Giver(table, type_name)
        choices = table.entities.representations
        fields = leaf_sources(choices[0]) if len(choices) == 1 and choices[0].types == {type_name} else None
        if fields is None:
            return giver
        before = self._layout.before[table.fetch.id]
        known = [
            *(origin for origin in origins if origin.table is None),
            *(Origin(t.fetch.id, t.keys, t) for t in self._layout.attached.get(position, ()) if t.fetch.id in before),
        ]
        needs: list[tuple[str, Giver | None]] = []
        for _, source in fields:
            offer = self.only(known, position, source)
            if offer is None:
                return giver
            inner = None if offer.table is None else self.of(known, position, source, type_name)
            if inner is None and offer.table is not None:
                return giver
            needs.append((source, inner))
        giver.needs = needs
        return giver
