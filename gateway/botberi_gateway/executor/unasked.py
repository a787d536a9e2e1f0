"""Errors of subgraphs, the response's data and the joined view -> which errors are about a field that the client doesn't ask of the object.

A subgraph with `@interfaceObject` can't tell types apart: a field that is wanted of objects of one type it gives of all. What failed on the
others took nothing from the client.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import cached_property
from typing import Any

from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_object_type,
)

from botberi_gateway.executor.definitions import definition_of
from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.view import ObjectView, object_at
from botberi_gateway.plan import Fetch, KeyField, KeySelection


class Asked(Enum):
    """Whether the client asks for a field of an object."""

    YES = auto()
    NO = auto()
    #: Nobody knows of which type the object is, and only some types' are asked for it.
    UNKNOWN = auto()


class Unasked:
    """Of one response. Fields that made representations, or contexts, are asked for: what they lack may have spoiled other fields.

    `view` gives the root of the joined view: of objects that are null in the data, it knows the types. `later` are fields that were deferred,
    by the place of their object; where they failed, each is None.
    """

    def __init__(
        self,
        data: Any,
        fetches: Iterable[Fetch],
        view: Callable[[], ObjectView],
        names: TypeNames,
        selections: Selections,
        later: Mapping[ResponsePath, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        self._data = data
        self._fetches = fetches
        self._view = view
        self._names = names
        self._selections = selections
        self._later = later or {}
        #: Response keys of paths on which every object has its declared type.
        self._certain: set[tuple[str, ...]] = set()

    @cached_property
    def _read(self) -> frozenset[str]:
        return frozenset(source for fetch in self._fetches for source in _sources(fetch))

    @cached_property
    def _root(self) -> ObjectView:
        return self._view()

    def asked(self, path: ResponsePath) -> Asked:
        """Of the path of an error, which the client selects for objects of some type: whether this object's type is one of them."""
        here = self._data
        for depth, key in enumerate(path):
            if isinstance(here, dict):
                if key not in here:
                    later = self._later.get(path[:depth], ())
                    here = next((fields for fields in later if key in fields), None)
                    if here is None:
                        return self._not(key)
            elif here is None:
                return self.below_null(path)
            elif not isinstance(here, list) or not isinstance(key, int) or not 0 <= key < len(here):
                return Asked.YES
            here = here[key]
        return Asked.YES

    def landing(self, path: ResponsePath) -> ResponsePath:
        """The place in the data of the null that an error at the path became."""
        here = self._data
        for depth, key in enumerate(path):
            if here is None:
                return path[:depth]
            try:
                here = here[key]
            except (KeyError, IndexError, TypeError):
                break
        return path

    def below_null(self, path: ResponsePath) -> Asked:
        """The same by the joined view alone."""
        keys = tuple([key for key in path if not isinstance(key, int)])
        if keys in self._certain:
            return Asked.YES
        schema = self._selections.schema
        operation = self._selections.operation
        kind: GraphQLNamedType | None = schema.get_root_type(operation.definition.operation)
        sets: list[SelectionSetNode] = [operation.selection_set]
        certain = True
        for depth, key in enumerate(path):
            if isinstance(key, int):
                continue
            if not isinstance(kind, GraphQLObjectType):
                certain = False
                # The view is made only here: most errors are below objects of declared types alone.
                view = object_at(self._root, path[:depth])
                name = None if view is None else self._names.of(view)
                actual = None if name is None else schema.get_type(name)
                if name is not None and actual is None:
                    return self._not(key)  # of an object of a hidden type nothing is asked
                kind = actual if is_object_type(actual) else kind
            if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
                return Asked.UNKNOWN
            nodes = self._selections.fields(sets, kind).get(key)
            if not nodes:
                return Asked.UNKNOWN if is_abstract_type(kind) else self._not(key)
            definition = definition_of(schema, kind, nodes[0].name.value)
            if definition is None:
                return Asked.YES
            kind = get_named_type(definition.type)
            sets = [node.selection_set for node in nodes if node.selection_set is not None]
        if certain:
            self._certain.add(keys)
        return Asked.YES

    def _not(self, key: str | int) -> Asked:
        return Asked.YES if key in self._read else Asked.NO


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
