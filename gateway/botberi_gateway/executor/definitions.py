"""An object's type, as far as it is known, and the name of a field -> the field's definition."""

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
)


def definition_of(schema: GraphQLSchema, kind: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    """The field of this type, None where the type hasn't it.

    `kind` is an interface where no subgraph gives the object's own type (`@interfaceObject`). A fragment on another
    interface may apply to all of its types; the field then belongs to that interface, or to each type, and not to
    `kind` itself.
    """
    if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        return None
    definition: GraphQLField | None = kind.fields.get(name)
    if definition is not None or isinstance(kind, GraphQLObjectType):
        return definition
    return _common_definition(schema, kind, name)


def is_root_type(schema: GraphQLSchema, kind: GraphQLNamedType | None) -> bool:
    """Whether it is the query, mutation or subscription type.

    A subgraph may have another name for it (`schema { query: RootQuery }`).
    """
    return kind is not None and kind in (schema.query_type, schema.mutation_type, schema.subscription_type)


def _common_definition(schema: GraphQLSchema, kind: GraphQLInterfaceType, name: str) -> GraphQLField | None:
    """The field that all types of the interface have, as they or another interface of all of them declare it."""
    possible = schema.get_possible_types(kind)
    definitions: list[GraphQLField] = [type_.fields[name] for type_ in possible if name in type_.fields]
    if not definitions or len(definitions) < len(possible):
        return None
    if len({str(field.type) for field in definitions}) == 1:
        return definitions[0]
    shared = (other for other in possible[0].interfaces if all(other in type_.interfaces for type_ in possible))
    declared: GraphQLField | None = next((other.fields[name] for other in shared if name in other.fields), None)
    return declared
