"""A subgraph's document -> what GraphQL itself forbids in it, once the federation's own vocabulary is known."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeGuard, cast

from graphql import (
    DefinitionNode,
    DirectiveDefinitionNode,
    DocumentNode,
    ExecutableDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    OperationType,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    Source,
    TypeDefinitionNode,
    TypeExtensionNode,
    ValueNode,
    build_ast_schema,
    is_input_type,
    is_specified_scalar_type,
    parse,
    print_ast,
    type_from_ast,
    validate_schema,
)
from graphql.language import ast
from graphql.language.ast import QUERY_DOCUMENT_KEYS
from graphql.language.visitor import ParallelVisitor, Visitor, visit
from graphql.validation.rules.possible_type_extensions import PossibleTypeExtensionsRule
from graphql.validation.specified_rules import specified_sdl_rules
from graphql.validation.validation_context import SDLValidationContext

from botberi_gateway.composition.ingest.kinds import mixed_kinds
from botberi_gateway.composition.ingest.machinery import machinery_types, machinery_uses
from botberi_gateway.composition.ingest.plain import is_plainly_valid
from botberi_gateway.composition.ingest.vocabulary import Vocabulary, applicable, link_definitions, scalar
from botberi_gateway.composition.problem import Location, Problem
from botberi_gateway.federation import Links
from botberi_gateway.federation.specified import GRAPHQL_DIRECTIVES, SUBGRAPH_FIELDS, SUBGRAPH_TYPES
from botberi_gateway.federation.versions import LINK

#: Extensions of types that other subgraphs define are what federation is about: they count as definitions.
_RULES = tuple(rule for rule in specified_sdl_rules if rule is not PossibleTypeExtensionsRule)
_DEFINITION_OF = {
    ast.ObjectTypeExtensionNode: ast.ObjectTypeDefinitionNode,
    ast.InterfaceTypeExtensionNode: ast.InterfaceTypeDefinitionNode,
    ast.UnionTypeExtensionNode: ast.UnionTypeDefinitionNode,
    ast.EnumTypeExtensionNode: ast.EnumTypeDefinitionNode,
    ast.InputObjectTypeExtensionNode: ast.InputObjectTypeDefinitionNode,
    ast.ScalarTypeExtensionNode: ast.ScalarTypeDefinitionNode,
}
#: Half of all nodes are names and descriptions.
_VISITED = {
    kind: tuple(key for key in keys if key not in ("name", "description")) for kind, keys in QUERY_DOCUMENT_KEYS.items()
}
#: More errors than this aren't reported: each takes a millisecond, as its line and similar names are looked for.
MAX_ERRORS = 200
#: Checked otherwise (default values), or new in GraphQL's edition of 2025 and not yet asked for by other composers.
_IGNORED = ("invalid default value", "must not be deprecated.")


def invalid_graphql(
    document: DocumentNode, links: Links, words: Vocabulary, subgraph: str, source: Source
) -> list[Problem]:
    """`INVALID_GRAPHQL`, all at once. `document` is the source's; its names may have no places."""
    try:
        if is_certainly_valid(document, links, words):
            return []
        return [_problem(error, subgraph) for error in errors_by_rules(parse(source), links, words)]
    except RecursionError:
        return [Problem("INVALID_GRAPHQL", f"[{subgraph}] The SDL is nested too deep.")]


def is_certainly_valid(document: DocumentNode, links: Links, words: Vocabulary) -> bool:
    """True: `errors_by_rules` would give no error. False: it may or may not."""
    definitions = _definitions(document, links, words)
    return is_plainly_valid(definitions, machinery_types(links, words), _field_sets(words))


def _problem(error: GraphQLError, subgraph: str) -> Problem:
    at = tuple(Location(subgraph, spot.line, spot.column) for spot in (error.locations or ())[:4])
    return Problem("INVALID_GRAPHQL", f"[{subgraph}] {error.message}", at)


def errors_by_rules(document: DocumentNode, links: Links, words: Vocabulary) -> list[GraphQLError]:
    """The errors by graphql-core's rules and ours on values; the federation's vocabulary counts as defined."""
    executable = [d for d in document.definitions if isinstance(d, ExecutableDefinitionNode)]
    if executable:
        return [GraphQLError("A schema holds no operations or fragments.", executable)]
    reserved = [d for d in document.definitions if isinstance(d, TypeDefinitionNode) and d.name.value.startswith("__")]
    if reserved:
        return [
            GraphQLError(f'"{d.name.value}": names with two underscores are introspection\'s.', d) for d in reserved
        ]
    wrong = [*mixed_kinds(document), *machinery_uses(document, links, words)]
    if wrong:
        return wrong
    try:
        whole = DocumentNode(definitions=tuple(_definitions(document, links, words)))
        errors = _sdl_errors(whole)
        if errors:
            return errors
        if any(map(_names_by_enum_value, _walk(whole))):
            whole = visit(whole, _Strings(), _VISITED)
        schema = build_ast_schema(whole, assume_valid=False, assume_valid_sdl=True)
    except (TypeError, GraphQLError) as error:
        return [error if isinstance(error, GraphQLError) else GraphQLError(str(error))]
    try:
        schema_errors = validate_schema(schema)
    except TypeError:  # a default value of what is no input type
        return list(_output_arguments(whole, schema))
    # a subgraph without queries is fine: the gateway's own `_service` and `_entities` make its query root
    allowed = ("Query root type must be provided.", f"Type {_query_root(document)} must define one or more fields.")
    errors = [e for e in schema_errors if e.message not in allowed and not is_ignored(e)]
    return errors or list(_value_errors(whole, schema, words))


class _Strings(Visitor):
    """Makes `@deprecated(reason: old)` the same as `@deprecated(reason: "old")`, as the reference composers read it.

    graphql-core refuses the enum value.
    """

    def enter(self, node: Node, *_: Any) -> Node | None:
        if not _names_by_enum_value(node):
            return None
        arguments = tuple(
            ast.ConstArgumentNode(
                name=a.name, value=ast.StringValueNode(value=a.value.value, block=False, loc=a.value.loc), loc=a.loc
            )
            if isinstance(a.value, ast.EnumValueNode)
            else a
            for a in node.arguments or ()
        )
        return ast.ConstDirectiveNode(name=node.name, arguments=cast(Any, arguments), loc=node.loc)


def _names_by_enum_value(node: Node) -> TypeGuard[ast.DirectiveNode]:
    """Whether it is one of GraphQL's own directives with an enum value where a string should be."""
    return (
        isinstance(node, ast.DirectiveNode)
        and node.name.value in GRAPHQL_DIRECTIVES
        and any(isinstance(a.value, ast.EnumValueNode) for a in node.arguments or ())
    )


def _query_root(document: DocumentNode) -> str:
    for node in document.definitions:
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            for root in node.operation_types or ():
                if root.operation is OperationType.QUERY:
                    return root.type.name.value
    return "Query"


def _output_arguments(document: DocumentNode, schema: GraphQLSchema) -> Iterator[GraphQLError]:
    for node in _walk(document):
        if isinstance(node, ast.InputValueDefinitionNode):
            expected = type_from_ast(schema, node.type)
            if expected is not None and not is_input_type(expected):
                yield GraphQLError(f'"{node.name.value}" must be of an input type, which {expected} is not.', node)


def _sdl_errors(document: DocumentNode) -> list[GraphQLError]:
    """The errors of graphql-core's `validate_sdl`, which skips the nodes that no rule looks at."""
    errors: list[GraphQLError] = []

    def add(error: GraphQLError) -> None:
        errors.append(error)
        if len(errors) >= MAX_ERRORS:
            raise _EnoughError

    context = SDLValidationContext(document, None, add)
    with suppress(_EnoughError):
        visit(document, ParallelVisitor([rule(context) for rule in _RULES]), _VISITED)
    return errors


class _EnoughError(Exception):
    """Ends the search after `MAX_ERRORS`."""


def is_ignored(error: GraphQLError) -> bool:
    """Whether the reference composers accept it. Default values are checked below, by the reference's rules."""
    return any(text in error.message for text in _IGNORED)


def _definitions(document: DocumentNode, links: Links, words: Vocabulary) -> Iterator[DefinitionNode]:
    names = set(words.definitions)
    machinery = list(link_definitions(links.link_name))
    defined = {
        d.name.value for d in document.definitions if isinstance(d, TypeDefinitionNode | DirectiveDefinitionNode)
    }
    link = links.of(LINK)
    for node in machinery:
        name: str = node.name.value  # type: ignore[attr-defined]
        if isinstance(node, TypeDefinitionNode) and name not in defined:
            yield node
        elif isinstance(node, DirectiveDefinitionNode) and (link is not None or name not in defined):
            names.add(name)
            yield node
    definitions = {d.name.value: d for d in document.definitions if isinstance(d, DirectiveDefinitionNode)}
    for name, specified in words.definitions.items():
        yield applicable(definitions.get(name), specified, words)
    for name in sorted(set(words.types.values()) | {"federation__FieldSet"} if links.links else words.types.values()):
        if name not in defined:
            yield scalar(name)
    based = {d.name.value for d in document.definitions if isinstance(d, TypeDefinitionNode)}
    for node in document.definitions:
        if isinstance(node, DirectiveDefinitionNode) and node.name.value in names:
            continue  # checked against the specification's already
        if isinstance(node, TypeExtensionNode) and node.name.value not in based:
            based.add(node.name.value)
            node = _as_definition(node)
        if isinstance(node, TypeDefinitionNode | TypeExtensionNode) and node.name.value not in SUBGRAPH_TYPES:
            node = _without_machinery(node)
        yield node
    if "_Any" not in defined:
        yield scalar("_Any")


def _as_definition(node: TypeExtensionNode) -> TypeDefinitionNode:
    values: dict[str, Any] = {key: getattr(node, key) for key in node.keys if hasattr(node, key)}
    values.setdefault("description", None)
    definition: TypeDefinitionNode = _DEFINITION_OF[type(node)](**values)
    return definition


def _without_machinery(node: Any) -> Any:
    """`_entities` and `_service` may be printed without the types they name."""
    fields = getattr(node, "fields", None)
    if not fields or not any(f.name.value in SUBGRAPH_FIELDS for f in fields):
        return node
    values = {key: getattr(node, key) for key in node.keys if hasattr(node, key)}
    values["fields"] = tuple(f for f in fields if f.name.value not in SUBGRAPH_FIELDS)
    return type(node)(**values)


def _value_errors(document: DocumentNode, schema: GraphQLSchema, words: Vocabulary) -> Iterator[GraphQLError]:
    """Default values and arguments of directives that aren't of their type; graphql-core leaves these unchecked."""
    for node in _walk(document):
        if isinstance(node, ast.ConstDirectiveNode | ast.DirectiveNode):
            definition = schema.get_directive(node.name.value)
            if definition is None:
                continue
            for argument in node.arguments or ():
                parameter = definition.args.get(argument.name.value)
                if parameter is None or _is_field_set(parameter.type, words):
                    continue  # a field set of another kind has an error code of its own
                for text in mismatches(argument.value, parameter.type):
                    yield GraphQLError(
                        f'Argument "{argument.name.value}" of @{node.name.value} has a wrong value: {text}.', argument
                    )
        elif isinstance(node, ast.InputValueDefinitionNode) and node.default_value is not None:
            expected = type_from_ast(schema, node.type)
            if expected is not None:
                for text in mismatches(node.default_value, expected):
                    yield GraphQLError(f'The default value of "{node.name.value}" is wrong: {text}.', node)


def _walk(document: DocumentNode) -> Iterator[Node]:
    """Directives, arguments and input fields, wherever they can stand."""
    stack: list[Any] = list(document.definitions)
    while stack:
        current = stack.pop()
        yield from current.directives or () if hasattr(current, "directives") else ()
        if isinstance(current, ast.InputValueDefinitionNode):
            yield current
        for key in ("fields", "arguments", "values"):
            stack.extend(getattr(current, key, None) or ())


def _is_field_set(type_: Any, words: Vocabulary) -> bool:
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    return getattr(type_, "name", "") in _field_sets(words)


def _field_sets(words: Vocabulary) -> set[str]:
    return {words.types.get("FieldSet", ""), "_FieldSet", "federation__FieldSet"}


def mismatches(value: ValueNode, type_: Any) -> Iterator[str]:
    """The reasons why a literal is no value of the type."""
    if isinstance(type_, GraphQLNonNull):
        if isinstance(value, NullValueNode):
            yield f"null is no {type_}"
        else:
            yield from mismatches(value, type_.of_type)
        return
    if isinstance(value, NullValueNode):
        return
    if isinstance(type_, GraphQLList):
        for item in value.values if isinstance(value, ListValueNode) else (value,):
            yield from mismatches(item, type_.of_type)
    elif isinstance(type_, GraphQLInputObjectType):
        if not isinstance(value, ObjectValueNode):
            yield f"{print_ast(value)} is no {type_.name}"
            return
        values = {f.name.value: f.value for f in value.fields}
        if type_.is_one_of and (len(values) != 1 or any(isinstance(item, NullValueNode) for item in values.values())):
            yield f"{print_ast(value)} is no {type_.name}, of which exactly one field is to be given"
        for name, item in values.items():
            if name not in type_.fields:
                yield f'{type_.name} has no field "{name}"'
            else:
                yield from mismatches(item, type_.fields[name].type)
    elif isinstance(type_, GraphQLEnumType):
        # a string is taken for the value of that name, as the reference composers do
        if not isinstance(value, ast.EnumValueNode | ast.StringValueNode) or value.value not in type_.values:
            yield f"{print_ast(value)} is no value of {type_.name}"
    elif isinstance(type_, GraphQLScalarType) and is_specified_scalar_type(type_):
        try:
            type_.parse_literal(value)
        except GraphQLError:
            yield f"{print_ast(value)} is no {type_.name}"
