"""Is an entity the one that was asked for? Compares identifiers that the answer repeats with those of the representation."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from graphql import (
    FieldNode,
    GraphQLID,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    Visitor,
    get_named_type,
    get_nullable_type,
    parse,
    visit,
)

from gateway.plan import Fetch


def contradicts(
    fetch: Fetch, representation: Mapping[str, Any], entity: Mapping[str, Any], schema: GraphQLSchema
) -> bool:
    """The subgraph answered an identifier (a field of type `ID`) otherwise than it was asked: the order of entities can't be trusted."""
    for name in identifiers(schema, str(representation["__typename"])):
        asked, got = representation.get(name), entity.get(name)
        if asked is None or got is None or isinstance(asked, list | dict) or isinstance(got, list | dict):
            continue
        if str(asked) != str(got) and name not in _aliases(fetch.operation):
            return not any(rename.target == name for rename in fetch.renames)
    return False


def identifiers(schema: GraphQLSchema, type_name: str) -> Iterator[str]:
    """Fields of type `ID`, nullable or not."""
    kind = schema.get_type(type_name)
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        for name, definition in kind.fields.items():
            if get_named_type(definition.type) is GraphQLID and get_nullable_type(definition.type) is GraphQLID:
                yield name


@lru_cache(maxsize=512)
def _aliases(operation: str) -> frozenset[str]:
    """Response keys that are aliases: they say nothing about the field of that name. Only asked for on a mismatch."""
    aliases: set[str] = set()

    class Aliases(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            if node.alias is not None and node.alias.value != node.name.value:
                aliases.add(node.alias.value)

    visit(parse(operation, no_location=True), Aliases())
    return frozenset(aliases)
