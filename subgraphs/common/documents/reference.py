"""A schema -> what a reader of its reference sees: types and fields, who may read them, who resolves them, examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphql import (
    ConstDirectiveNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_ast_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
    parse,
    print_ast,
    value_from_ast_untyped,
)

from subgraphs.common.documents.examples import Example, example

#: Names that a subgraph's SDL has for the gateway alone.
_MACHINERY = ("_Any", "_Entity", "_Service", "link__", "federation__", "join__")

Owners = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument, or a field of an input object. `default` is a GraphQL literal."""

    name: str
    type: str
    type_name: str
    description: str
    default: str | None
    deprecated: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A field. `access` has a line for each directive that limits who may read it."""

    name: str
    type: str
    type_name: str
    description: str
    parameters: tuple[Parameter, ...]
    deprecated: str | None
    access: tuple[str, ...]
    subgraphs: tuple[str, ...]
    example: Example | None


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an enum."""

    name: str
    description: str
    deprecated: str | None


@dataclass(frozen=True, slots=True)
class TypeEntry:
    """A type. `keys` are the field sets by which other subgraphs refer to it, `related` its interfaces or members."""

    name: str
    kind: str
    description: str
    members: tuple[Member, ...]
    parameters: tuple[Parameter, ...]
    values: tuple[Value, ...]
    related: tuple[str, ...]
    keys: tuple[str, ...]
    access: tuple[str, ...]
    subgraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A schema's types: the roots first, then the others by name."""

    types: tuple[TypeEntry, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of all types that have an entry."""
        return frozenset(entry.name for entry in self.types)


def read_reference(schema: GraphQLSchema | str, owners: Owners | None = None) -> Reference:
    """The reference of a schema, or of a subgraph's SDL.

    `owners` says which subgraphs a coordinate (`Type` or `Type.field`) is from.
    """
    if isinstance(schema, str):
        schema = build_ast_schema(parse(schema, no_location=True), assume_valid=True, assume_valid_sdl=True)
    roots = [t for t in (schema.query_type, schema.mutation_type, schema.subscription_type) if t is not None]
    others = sorted((t for t in schema.type_map.values() if t not in roots and _is_shown(t)), key=lambda t: t.name)
    return Reference(tuple(_entry(schema, type_, owners or {}) for type_ in (*roots, *others)))


def _is_shown(type_: GraphQLNamedType) -> bool:
    return not (is_introspection_type(type_) or is_specified_scalar_type(type_) or type_.name.startswith(_MACHINERY))


def _entry(schema: GraphQLSchema, type_: GraphQLNamedType, owners: Owners) -> TypeEntry:
    directives = _directives(type_)
    members: tuple[Member, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    values: tuple[Value, ...] = ()
    related: tuple[str, ...] = ()
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        fields = {name: field for name, field in type_.fields.items() if not name.startswith("_")}
        members = tuple(_member(schema, type_, name, field, owners) for name, field in fields.items())
        related = tuple(interface.name for interface in type_.interfaces)
    elif isinstance(type_, GraphQLInputObjectType):
        parameters = tuple(_parameter(name, field) for name, field in type_.fields.items())
    elif isinstance(type_, GraphQLEnumType):
        values = tuple(
            Value(name, value.description or "", value.deprecation_reason) for name, value in type_.values.items()
        )
    elif isinstance(type_, GraphQLUnionType):
        related = tuple(member.name for member in type_.types)
    keys = tuple(_argument(node, "fields") for node in directives if node.name.value == "key")
    subgraphs = tuple(owners.get(type_.name, ()))
    return TypeEntry(
        type_.name,
        _kind(schema, type_),
        type_.description or "",
        members,
        parameters,
        values,
        related,
        keys,
        _access(directives),
        subgraphs,
    )


def _kind(schema: GraphQLSchema, type_: GraphQLNamedType) -> str:
    roots = {schema.query_type: "queries", schema.mutation_type: "mutations", schema.subscription_type: "subscriptions"}
    if isinstance(type_, GraphQLObjectType) and type_ in roots:
        return roots[type_]
    kinds = {
        GraphQLObjectType: "type",
        GraphQLInterfaceType: "interface",
        GraphQLInputObjectType: "input",
        GraphQLEnumType: "enum",
        GraphQLUnionType: "union",
        GraphQLScalarType: "scalar",
    }
    return kinds[type(type_)]


def _member(
    schema: GraphQLSchema,
    type_: GraphQLObjectType | GraphQLInterfaceType,
    name: str,
    field: GraphQLField,
    owners: Owners,
) -> Member:
    coordinate = f"{type_.name}.{name}"
    return Member(
        name,
        str(field.type),
        get_named_type(field.type).name,
        field.description or "",
        tuple(_parameter(parameter, argument) for parameter, argument in field.args.items()),
        field.deprecation_reason,
        _access(_directives(field)),
        tuple(owners.get(coordinate, ())),
        example(schema, type_, name, field),
    )


def _parameter(name: str, parameter: GraphQLArgument | GraphQLInputField) -> Parameter:
    literal = parameter.ast_node.default_value if parameter.ast_node is not None else None
    return Parameter(
        name,
        str(parameter.type),
        get_named_type(parameter.type).name,
        parameter.description or "",
        None if literal is None else print_ast(literal),
        parameter.deprecation_reason,
    )


def _directives(element: GraphQLNamedType | GraphQLField) -> Sequence[ConstDirectiveNode]:
    node = element.ast_node
    return tuple(node.directives or ()) if node is not None else ()


def _access(directives: Iterable[ConstDirectiveNode]) -> tuple[str, ...]:
    lines = []
    for node in directives:
        match node.name.value:
            case "authenticated":
                lines.append("an account that has signed in")
            case "requiresScopes":
                lines.append(_alternatives("a credential with the scopes", node, "scopes"))
            case "policy":
                lines.append(_alternatives("who fulfils the policies", node, "policies"))
    return tuple(lines)


def _alternatives(what: str, node: ConstDirectiveNode, argument: str) -> str:
    given = (value_from_ast_untyped(a.value) for a in node.arguments or () if a.name.value == argument)
    value: list[list[str]] = next(given, [])
    return f"{what} {' or '.join(' and '.join(each) for each in value)}"


def _argument(node: ConstDirectiveNode, name: str) -> str:
    value = next((a.value for a in node.arguments or () if a.name.value == name), None)
    return "" if value is None else str(value_from_ast_untyped(value))
