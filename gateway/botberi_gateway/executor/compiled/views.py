"""What a program's fetches left behind -> the interpreter's joined view of it, joined only where somebody looks.

Errors need it: where an entity sits, and why a field is lost, is said by the same functions for both executors.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from botberi_gateway.executor.collect import objects_at
from botberi_gateway.executor.compiled.layout import KeyPath, Layout, Table, key_path, layers_at_root
from botberi_gateway.executor.compiled.support import EMPTY, UNKNOWN, BailOut, Lost
from botberi_gateway.executor.contexts import context_values, without_context
from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.failure import MissingData
from botberi_gateway.executor.missing_data import why_left_out
from botberi_gateway.executor.representations import TypeNames, choice_for, represent
from botberi_gateway.executor.view import ListView, ObjectView, release
from botberi_gateway.plan import Entities, KeyField, KeySelection, Path


class Views:
    """Of one flight, when these fetches had ended (None: all)."""

    def __init__(
        self,
        layout: Layout,
        state: Mapping[str, Any],
        names: TypeNames,
        losing: Set[int],
        ended: frozenset[int] | None = None,
    ) -> None:
        self.root = ObjectView(None, "")
        self._layout = layout
        self._state = state
        self._names = names
        self._ended = ended
        self._joined: set[KeyPath] = set()
        self._places: dict[int, list[list[ObjectView]]] = {}
        self._earlier: dict[frozenset[int], Views] = {}
        #: Fetches that lost something, or met an unknown entity: only after them an object may have given no
        #: representation for want of data.
        self._losing = losing
        for layer in layers_at_root(layout, ended):
            self._add(self.root, layer.fetch, state[layer.var], None)

    def at(self, path: ResponsePath) -> ObjectView:
        """The object there, with all that is known of it."""
        view = self._find(path)
        if view is None:
            raise BailOut("no object where one was lost")
        return view

    def _find(self, path: ResponsePath) -> ObjectView | None:
        here: Any = self.root
        position: KeyPath = ()
        for key in path:
            if isinstance(key, int):
                here = here.items[key] if isinstance(here, ListView) else None
            else:
                here = here.child(key) if isinstance(here, ObjectView) else None
                position = (*position, key)
                self._join(position)
        return here if isinstance(here, ObjectView) else None

    def whole(self) -> ObjectView:
        """The root, with everything joined."""
        for position in self._layout.attached:
            self._join(position)
        return self.root

    def objects(self, path: Path) -> list[ObjectView]:
        """Those at a path of the plan, before entities are joined there."""
        for index, element in enumerate(path):
            if isinstance(element, str):
                self._join(key_path(path[:index]))
        return list(objects_at(self.root, path, self._names))

    def places(self, table: Table) -> list[list[ObjectView]]:
        """Row of the table -> the objects that it stands for, as the interpreter comes by them."""
        found = self._places.get(id(table))
        if found is None:
            # What an earlier entity said of the objects, such as their type, decides whether they gave a
            # representation.
            for position in self._positions(table):
                self._join(position)
            found = self._places[id(table)] = [[] for _ in self._state[table.rows]]
            for view in self._of(table):
                row = self._row(table, view)
                if row is not None:
                    found[row].append(view)
        return found

    def release(self) -> None:
        """Let go of all views, which are circles of references otherwise."""
        self._places.clear()
        release(self.root)
        for earlier in self._earlier.values():
            earlier.release()

    # -- joining

    def _join(self, position: KeyPath) -> None:
        """Entities to the objects at this position, in plan order."""
        if position in self._joined:
            return
        self._joined.add(position)
        for table in self._layout.attached.get(position, ()):
            if self._ended is None or table.fetch.id in self._ended:
                for view in self._of(table, position):
                    self._attach(table, view)

    def _positions(self, table: Table) -> Sequence[KeyPath]:
        return [key_path(path) for path in self._paths(table)]

    def _paths(self, table: Table) -> Sequence[Path]:
        return (table.fetch.path,) if table.entities is None else table.entities.paths

    def _of(self, table: Table, position: KeyPath | None = None) -> list[ObjectView]:
        found: dict[int, ObjectView] = {}
        for path in self._paths(table):
            if position is None or key_path(path) == position:
                found.update((id(view), view) for view in self.objects(path))
        return list(found.values())

    def _attach(self, table: Table, view: ObjectView) -> None:
        row = self._row(table, view)
        if row is not None:
            key = None if table.entities is None else table.entities.response_key
            self._add(view, table.fetch.id, self._state[table.rows][row], MissingData(table.fetch, key))
            return
        gap = self._why_not_asked(table, view.path())
        if gap is not None:
            view.missing_data.append(gap)

    def _why_not_asked(self, table: Table, path: ResponsePath) -> MissingData | None:
        """Why the object there gave no representation, where a fetch is to blame."""
        entities, before = table.entities, self._layout.before[table.fetch.id]
        if entities is None or (not table.is_contextual and before.isdisjoint(self._losing)):
            return None
        view = self._when(before, entities, path)
        if view is None:
            return None
        if not table.is_contextual or represent(view, entities.representations, self._names) is None:
            cause = why_left_out(view, entities.representations, self._names)
            return None if cause is None else MissingData(table.fetch, entities.response_key, cause.failure)
        values = context_values(view, entities.contexts, self._names)
        failure = without_context(view, table.fetch, entities, values)
        return None if failure is None else MissingData(table.fetch, entities.response_key, failure)

    def _add(self, view: ObjectView, fetch: int, found: dict[str, Any], unknown: MissingData | None) -> None:
        if isinstance(found, Lost):
            view.missing_data.append(found.gap)
        elif found is UNKNOWN and unknown is not None:
            view.missing_data.append(unknown)
        elif found is not EMPTY:
            view.add(fetch, found)

    def _row(self, table: Table, view: ObjectView) -> int | None:
        index = self._state[table.index]
        if table.by_key is None:
            return next((row for _, layer in view.layers if (row := index.get(id(layer))) is not None), None)
        if table.entities is None or choice_for(view, table.entities.representations, self._names) is None:
            return None
        for _, layer in view.layers:
            key = layer.get(table.by_key)
            if (isinstance(key, str) or key.__class__ is int) and (row := index.get(key)) is not None:
                return int(row)
        return None

    def _when(self, ended: frozenset[int], entities: Entities, path: ResponsePath) -> ObjectView | None:
        """The object as it was when these representations were made; None where it has come by other fetches alone."""
        earlier = self._earlier.get(ended)
        if earlier is None:
            earlier = self._earlier[ended] = Views(self._layout, self._state, self._names, self._losing, ended)
        view = earlier._find(path)
        if view is None:
            return None
        position = tuple(key for key in path if isinstance(key, str))
        for choice in entities.representations:
            earlier._join_below(position, choice.selections)
        for context in entities.contexts:
            for source in context.sources:
                if source.up <= len(position):
                    earlier._join_below(position[: len(position) - source.up], source.selections)
        return view

    def _join_below(self, position: KeyPath, selections: Sequence[KeySelection]) -> None:
        for selection in selections:
            if not isinstance(selection, KeyField):
                self._join_below(position, selection.selections)
            elif selection.selections:
                self._join((*position, selection.source))
                self._join_below((*position, selection.source), selection.selections)
