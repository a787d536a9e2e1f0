"""Errors of subgraphs and the response's data -> the errors that are about a field which the client doesn't ask of the object.

A subgraph with `@interfaceObject` can't tell types apart: a field that is wanted of objects of one type it gives of all. What failed on the
others took nothing from the client.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from gateway.executor.errorlog import ResponsePath
from gateway.plan import Fetch, KeyField, KeySelection


class Unasked:
    """Of one response. Fields that made representations, or contexts, are asked for: what they lack may have spoiled other fields.

    `later` are fields that were deferred, by the place of their object; where they failed, each is None.
    """

    def __init__(
        self,
        data: Any,
        fetches: Iterable[Fetch],
        later: Mapping[ResponsePath, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        self._data = data
        self._fetches = fetches
        self._later = later or {}

    @cached_property
    def _read(self) -> frozenset[str]:
        return frozenset(source for fetch in self._fetches for source in _sources(fetch))

    def includes(self, path: ResponsePath) -> bool:
        """Whether the path of an error, which the client selects for objects of some type, leads to an object of another type."""
        here = self._data
        for depth, key in enumerate(path):
            if isinstance(here, dict):
                if key not in here:
                    later = self._later.get(path[:depth], ())
                    here = next((fields for fields in later if key in fields), None)
                    if here is None:
                        return key not in self._read
            elif not isinstance(here, list) or not isinstance(key, int) or not 0 <= key < len(here):
                return False
            here = here[key]
        return False


def _sources(fetch: Fetch) -> Iterator[str]:
    for entities in fetch.entities:
        for representation in entities.representations:
            yield from _read(representation.selections)
        for context in entities.contexts:
            for source in context.sources:
                yield from _read(source.selections)


def _read(selections: Iterable[KeySelection]) -> Iterator[str]:
    for selection in selections:
        if isinstance(selection, KeyField):
            yield selection.source
        yield from _read(selection.selections)
