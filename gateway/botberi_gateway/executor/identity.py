"""An entity and its representation -> whether identifiers in both contradict each other."""

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from graphql import (
    GraphQLID,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_nullable_type,
)

from botberi_gateway.plan import Fetch, Selected, SelectedField


def contradicts(
    fetch: Fetch, representation: Mapping[str, Any], entity: Mapping[str, Any], schema: GraphQLSchema
) -> bool:
    """Whether an identifier (a field of type `ID`) differs from the representation's.

    If it does, the subgraph has mixed up the order of entities.
    """
    for name in identifiers(schema, str(representation["__typename"])):
        asked, got = representation.get(name), entity.get(name)
        if asked is None or got is None or isinstance(asked, list | dict) or isinstance(got, list | dict):
            continue
        if str(asked) != str(got) and not _is_alias(name, fetch.selections):
            return not any(rename.target == name for rename in fetch.renames)
    return False


def _is_alias(key: str, selections: Sequence[Selected]) -> bool:
    """Whether the response key is an alias somewhere: it says nothing about the field of that name then."""
    return any(
        (isinstance(selected, SelectedField) and selected.key == key != selected.name)
        or _is_alias(key, selected.selections)
        for selected in selections
    )


def identifiers(schema: GraphQLSchema, type_name: str) -> tuple[str, ...]:
    """Fields of type `ID`, nullable or not; computed once for a schema."""
    known = _IDENTIFIERS.setdefault(schema, {})
    names = known.get(type_name)
    if names is None:
        kind = schema.get_type(type_name)
        fields = kind.fields if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else {}
        names = tuple(name for name, definition in fields.items() if get_nullable_type(definition.type) is GraphQLID)
        if kind is not None:
            known[type_name] = names
    return names


_IDENTIFIERS: "WeakKeyDictionary[GraphQLSchema, dict[str, tuple[str, ...]]]" = WeakKeyDictionary()
