"""Errors that subgraphs reported at nullable fields -> the client's errors, where all else of the answers is as it should be.

Data needs nothing of it: such fields are null in the answers already. Only where an entity's error sits has to be found: the objects that each
entity stands for are walked to once more, with their paths.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from gateway.executor.answers import entry_of, path_of
from gateway.executor.compiled.layout import KeyPath, Layout, Table, layers_at_root
from gateway.executor.compiled.shape import Keys
from gateway.executor.compiled.step import Step
from gateway.executor.compiled.support import M, at, name_of, objects, rows
from gateway.executor.errorlog import ErrorLog, ResponsePath
from gateway.executor.execute import in_clients_terms
from gateway.executor.renames import renamed_path
from gateway.executor.result import ExecutionResult
from gateway.executor.selection import Selections
from gateway.plan import ListItems, Path, TypeCondition
from gateway.upstream.port import SubgraphResponse

#: (fetch, keys of its answer here, value here); objects while between keys.
_Layers: TypeAlias = list[tuple[int, Keys, Any]]


def is_plain(step: Step, answer: SubgraphResponse, sizes: Mapping[str, int]) -> bool:
    """Whether each error is at a field: of the operation, or of an entity that is there. Others are for the interpreter to tell."""
    data = answer.data
    if data is None:
        return False
    for error in answer.errors:
        path = path_of(error)
        if not path:
            return False
        if not step.fetch.entities:
            continue
        match path:
            case (str(key), int(index), _, *_) if 0 <= index < sizes.get(key, 0):
                found = data.get(key)
                if not isinstance(found, list) or index >= len(found) or not isinstance(found[index], dict):
                    return False
            case _:
                return False
    return True


class Report:
    """Of one flight: its layout, and what its fetches left behind by the names in the program."""

    def __init__(self, layout: Layout, state: Mapping[str, Any], selections: Selections, limit: int) -> None:
        self._layout = layout
        self._state = state
        self._selections = selections
        self.log = ErrorLog(limit)

    def add(self, step: Step, answer: SubgraphResponse) -> None:
        """The errors of one answer that `is_plain`."""
        places: dict[str, list[list[ResponsePath]]] = {}
        by_entity: dict[tuple[str, int], list[tuple[Mapping[str, Any], ResponsePath]]] = {}
        for error in answer.errors:
            path = path_of(error) or ()
            if not step.fetch.entities:
                self.log.add(step.id, entry_of(error, step.fetch, renamed_path(path, step.fetch.renames)))
                continue
            key, index, *below = path
            assert isinstance(key, str)
            assert isinstance(index, int)
            by_entity.setdefault((key, index), []).append((error, renamed_path(below, step.fetch.renames)))
        for table in self._layout.tables.get(step.id, ()):
            key = table.entities.response_key if table.entities is not None else ""
            for index in sorted(index for name, index in by_entity if name == key):
                if key not in places:
                    places[key] = self._places(table)
                for error, rest in by_entity[key, index]:
                    self._at_each(step, error, places[key][index], rest)

    def _at_each(
        self, step: Step, error: Mapping[str, Any], places: Sequence[ResponsePath], below: ResponsePath
    ) -> None:
        for done, place in enumerate(places):
            if self.log.full:
                self.log.omitted += len(places) - done
                return
            self.log.add(step.id, entry_of(error, step.fetch, place + below))

    def result(self, data: Any) -> ExecutionResult:
        """The data with the errors."""
        begun = [fetch for fetch in self._layout.fetches.values() if fetch.entities]
        return in_clients_terms(data, self.log, self._selections, begun)

    # -- where an entity's objects are

    def _places(self, table: Table) -> list[list[ResponsePath]]:
        """Row of the table -> the paths of its objects, as the interpreter comes by them."""
        found: list[list[ResponsePath]] = [[] for _ in self._state[table.rows]]
        index = self._state[table.index]
        seen: set[ResponsePath] = set()
        for path in table.entities.paths if table.entities is not None else ():
            for layers, place in self._objects_at(path, self._layout.before[table.fetch.id]):
                if place in seen:
                    continue
                seen.add(place)
                base = [value for _, _, value in layers]
                row = index.get(base[0].get(table.by_key)) if table.by_key is not None else at(index, *base)
                if row is not None:
                    found[row].append(place)
        return found

    def _objects_at(self, path: Path, ended: frozenset[int]) -> Iterator[tuple[_Layers, ResponsePath]]:
        roots = layers_at_root(self._layout, ended)
        here: list[tuple[_Layers, ResponsePath]] = [
            ([(layer.fetch, layer.keys, self._state[layer.var]) for layer in roots], ())
        ]
        position: KeyPath = ()
        for element in path:
            if isinstance(element, ListItems):
                here = [item for layers, place in here for item in _items(layers, place)]
                continue
            here = [(known, place) for layers, place in here if (known := _as_objects(layers)) is not None]
            if isinstance(element, TypeCondition):
                names = self._layout.names
                fitting = names.fitting(element.types)
                here = [
                    (layers, place)
                    for layers, place in here
                    if name_of(
                        names.objects,
                        names.abstract,
                        *(value.get("__typename") for _, _, value in self._with_entities(layers, position, ended)),
                    )
                    in fitting
                ]
                continue
            below = []
            for layers, place in here:
                offering = [one for one in self._with_entities(layers, position, ended) if element in one[1]]
                values = [(fetch, keys.below[element], value.get(element, M)) for fetch, keys, value in offering]
                below.append((values, (*place, element)))
            here, position = below, (*position, element)
        for layers, place in here:
            known = _as_objects(layers)
            if known:
                yield known, place

    def _with_entities(self, base: _Layers, position: KeyPath, ended: frozenset[int]) -> _Layers:
        layers = list(base)
        values = [value for _, _, value in base]
        for table in self._layout.attached.get(position, ()):
            if table.fetch.id not in ended or not values:
                continue
            index = self._state[table.index]
            row = index.get(values[0].get(table.by_key)) if table.by_key is not None else at(index, *values)
            if row is not None:
                layers.append((table.fetch.id, table.keys, self._state[table.rows][row]))
        return sorted(layers, key=lambda layer: layer[0])


def _as_objects(layers: _Layers) -> _Layers | None:
    found = objects(*(value for _, _, value in layers))
    if found is None:
        return [] if not layers else None
    return [(fetch, keys, value) for (fetch, keys, _), value in zip(layers, found, strict=True)]


def _items(layers: _Layers, place: ResponsePath) -> Iterator[tuple[_Layers, ResponsePath]]:
    for number, row in enumerate(rows(*(value for _, _, value in layers)) or ()):
        yield [(fetch, keys, value) for (fetch, keys, _), value in zip(layers, row, strict=True)], (*place, number)
