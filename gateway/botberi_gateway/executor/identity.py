"""An entity and its representation -> whether identifiers in both contradict each other."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from graphql import (
    FieldNode,
    GraphQLID,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    Visitor,
    get_nullable_type,
    parse,
    visit,
)

from botberi_gateway.plan import Fetch


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
        if str(asked) != str(got) and name not in _aliases(fetch.operation):
            return not any(rename.target == name for rename in fetch.renames)
    return False


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


@lru_cache(maxsize=512)
def _aliases(operation: str) -> frozenset[str]:
    """Response keys that are aliases, which say nothing about the field of that name. Computed only on a mismatch."""
    aliases: set[str] = set()

    class Aliases(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            if node.alias is not None and node.alias.value != node.name.value:
                aliases.add(node.alias.value)

    visit(parse(operation, no_location=True), Aliases())
    return frozenset(aliases)
