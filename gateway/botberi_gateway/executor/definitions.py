"""An object's type, as far as it is known, and the name of a field -> the field's definition; which types subgraphs may call otherwise."""

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
)


def definition_of(schema: GraphQLSchema, kind: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    """The field of this type, None where the type hasn't it.

    `kind` is an interface where no subgraph tells the object's own type (`@interfaceObject`). A fragment on another interface may apply
    to all of its types; the field is then one of that interface, or of each type, and not of `kind` itself.
    """
    if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        return None
    definition: GraphQLField | None = kind.fields.get(name)
    if definition is not None or isinstance(kind, GraphQLObjectType):
        return definition
    return _common_definition(schema, kind, name)


def is_root_type(schema: GraphQLSchema, kind: GraphQLNamedType | None) -> bool:
    """Whether it is the query, mutation or subscription type: subgraphs may call theirs otherwise (`schema { query: RootQuery }`)."""
    return kind is not None and kind in (schema.query_type, schema.mutation_type, schema.subscription_type)


def _common_definition(schema: GraphQLSchema, kind: GraphQLInterfaceType, name: str) -> GraphQLField | None:
    """The field that all types of the interface have: as they declare it, or as another interface of all of them does."""
    possible = schema.get_possible_types(kind)
    found: list[GraphQLField] = [type_.fields[name] for type_ in possible if name in type_.fields]
    if not found or len(found) < len(possible):
        return None
    if len({str(field.type) for field in found}) == 1:
        return found[0]
    shared = (other for other in possible[0].interfaces if all(other in type_.interfaces for type_ in possible))
    declared: GraphQLField | None = next((other.fields[name] for other in shared if name in other.fields), None)
    return declared
