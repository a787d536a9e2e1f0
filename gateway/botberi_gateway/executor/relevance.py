"""Errors of subgraphs, the response's data and the joined view -> which errors concern the client.

A subgraph with `@interfaceObject` doesn't know its objects' types: a field that the client selects for objects of a
single type is fetched for all of them. An error of that field on an object of another type is irrelevant.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import cached_property
from typing import Any

from graphql import (
    GraphQLNamedType,
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


class Relevance(Enum):
    """Whether an error is about a field that the client selects for the object."""

    RELEVANT = auto()
    IRRELEVANT = auto()
    #: The object's type is unknown, and the client selects the field for some types only.
    UNKNOWN = auto()


class ErrorRelevance:
    """The relevance of a response's errors.

    Errors of fields that representations or contexts are made of are always relevant: other fields may be missing for
    their lack. `view` gives the root of the joined view, which knows the types of objects that are null in the data.
    `later` are deferred fields by the place of their object; a field that failed is None.
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

    def of(self, path: ResponsePath) -> Relevance:
        """The relevance of an error at a path that the client selects for objects of some type."""
        here = self._data
        for depth, key in enumerate(path):
            if isinstance(here, dict):
                if key not in here:
                    later = self._later.get(path[:depth], ())
                    here = next((fields for fields in later if key in fields), None)
                    if here is None:
                        return self._unselected(key)
            elif here is None:
                return self.of_selection(path)
            elif not isinstance(here, list) or not isinstance(key, int) or not 0 <= key < len(here):
                return Relevance.RELEVANT
            here = here[key]
        return Relevance.RELEVANT

    def null_place(self, path: ResponsePath) -> ResponsePath:
        """The place of the null in the data to which an error at the path led."""
        here = self._data
        for depth, key in enumerate(path):
            if here is None:
                return path[:depth]
            if isinstance(here, dict) and key not in here:
                here = next((fields for fields in self._later.get(path[:depth], ()) if key in fields), here)
            try:
                here = here[key]
            except (KeyError, IndexError, TypeError):
                break
        return path

    def of_selection(self, path: ResponsePath) -> Relevance:
        """The same as `of`, but by the selection and the joined view instead of the data."""
        keys = tuple([key for key in path if not isinstance(key, int)])
        if keys in self._certain:
            return Relevance.RELEVANT
        schema, selections = self._selections.schema, self._selections
        root = schema.get_root_type(selections.operation.definition.operation)
        assert root is not None
        #: The types that the object may have, as far as they are known, each with what the client selects of it then.
        selected: dict[GraphQLNamedType, list[SelectionSetNode]] = {root: [selections.operation.selection_set]}
        certain, relevance = True, Relevance.RELEVANT
        for depth, key in enumerate(path):
            if isinstance(key, int):
                continue
            below: dict[GraphQLNamedType, list[SelectionSetNode]] = {}
            for declared, sets in selected.items():
                certain &= is_object_type(declared)
                for kind in self._types(declared, path[:depth]):
                    nodes = selections.fields(sets, kind).get(key)
                    if not nodes:
                        relevance = Relevance.UNKNOWN
                        continue
                    definition = definition_of(schema, kind, nodes[0].name.value)
                    if definition is None:
                        return relevance
                    nested = [node.selection_set for node in nodes if node.selection_set is not None]
                    others = below.setdefault(get_named_type(definition.type), nested)
                    if others != nested:
                        relevance = Relevance.UNKNOWN
                        others += [selection for selection in nested if selection not in others]
            if not below:
                return self._unselected(key)
            selected = below
        if certain:
            self._certain.add(keys)
        return relevance

    def _types(self, declared: GraphQLNamedType, place: ResponsePath) -> Sequence[GraphQLNamedType]:
        """The object types that the object at a place may have; none where its type is hidden."""
        if not is_abstract_type(declared):
            return (declared,)
        schema = self._selections.schema
        # The view is made only here: most errors are below objects of declared types.
        view = object_at(self._root, place)
        name = None if view is None else self._names.of(view)
        if name is None:
            return schema.get_possible_types(declared)
        actual = schema.get_type(name)
        if actual is None:
            return ()  # the client can't select fields of a hidden type
        return (actual,) if is_object_type(actual) else schema.get_possible_types(declared)

    def _unselected(self, key: str | int) -> Relevance:
        return Relevance.RELEVANT if key in self._read else Relevance.IRRELEVANT


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
