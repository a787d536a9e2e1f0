"""A subgraph's own definitions of federation directives and types -> where they differ from the specification's."""

from collections.abc import Iterator

from graphql import (
    DirectiveDefinitionNode,
    DocumentNode,
    InputValueDefinitionNode,
    NamedTypeNode,
    NonNullTypeNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
    print_ast,
)

from botberi_gateway.composition.ingest.vocabulary import Vocabulary, is_replaced
from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import base_name

_BUILT_IN = frozenset({"Int", "Float", "String", "Boolean", "ID"})


def invalid_redefinitions(document: DocumentNode, words: Vocabulary, subgraph: str) -> list[Problem]:
    """`DIRECTIVE_DEFINITION_INVALID` and `TYPE_DEFINITION_INVALID`."""
    problems = []
    local_types = {name: spec for spec, name in words.types.items()}
    for node in document.definitions:
        if isinstance(node, DirectiveDefinitionNode):
            expected = words.definitions.get(node.name.value, words.upgraded.get(node.name.value))
            if expected is None or (words.federation_1 and is_replaced(node)):
                continue
            for text in _differences(node, expected, set(words.types.values())):
                message = f"[{subgraph}] The definition of @{node.name.value} isn't the specification's: {text}."
                problems.append(Problem("DIRECTIVE_DEFINITION_INVALID", message, place(subgraph, node)))
        elif (
            isinstance(node, TypeDefinitionNode)
            and node.name.value in local_types
            and not isinstance(node, ScalarTypeDefinitionNode)
        ):
            message = f'[{subgraph}] "{node.name.value}" is a scalar of the federation specification, not another kind.'
            problems.append(Problem("TYPE_DEFINITION_INVALID", message, place(subgraph, node)))
    return problems


def unknown_types(document: DocumentNode, words: Vocabulary, subgraph: str) -> list[Problem]:
    """`INVALID_GRAPHQL`: types that a subgraph's own definitions of federation directives name, but no text defines.

    A federation 1 schema defines the field set's scalar itself where it names it; one of federation 2 has what it
    links.
    """
    names = {d.name.value for d in document.definitions if isinstance(d, TypeDefinitionNode)} | _BUILT_IN
    if not words.federation_1:
        names |= {*words.types.values(), "federation__FieldSet"}
    problems = []
    for node in document.definitions:
        if not isinstance(node, DirectiveDefinitionNode) or node.name.value not in words.definitions:
            continue
        for argument in node.arguments or ():
            name = base_name(argument.type)
            if name not in names:
                message = f'[{subgraph}] Unknown type "{name}" of "@{node.name.value}({argument.name.value}:)".'
                problems.append(Problem("INVALID_GRAPHQL", message, place(subgraph, argument)))
    return problems


def _differences(
    actual: DirectiveDefinitionNode, standard: DirectiveDefinitionNode, scalars: set[str]
) -> Iterator[str]:
    expected_arguments = {a.name.value: a for a in standard.arguments or ()}
    written = {a.name.value: a for a in actual.arguments or ()}
    for name, argument in expected_arguments.items():
        if name not in written:
            if isinstance(argument.type, NonNullTypeNode) and argument.default_value is None:
                yield f'it lacks the argument "{name}"'
            continue
        yield from _argument_differences(written[name], argument, scalars)
    for name in written:
        if name not in expected_arguments:
            yield f'it has no argument "{name}"'
    if actual.repeatable and not standard.repeatable:
        yield "it is not repeatable"
    allowed = {location.value for location in standard.locations}
    foreign = sorted({location.value for location in actual.locations} - allowed)
    if foreign:
        yield f"it can't be on {', '.join(foreign)} (only on {', '.join(sorted(allowed))})"


def _argument_differences(
    actual: InputValueDefinitionNode, expected: InputValueDefinitionNode, scalars: set[str]
) -> Iterator[str]:
    if not _fits(actual.type, expected.type, scalars):
        yield f'"{actual.name.value}" has to be of type {print_ast(expected.type)}, not {print_ast(actual.type)}'
        return
    if not isinstance(actual.type, NonNullTypeNode) or actual.default_value is not None:
        has = print_ast(actual.default_value) if actual.default_value else "null"
        wants = print_ast(expected.default_value) if expected.default_value else "null"
        if has != wants:
            yield f'the default of "{actual.name.value}" has to be {wants}, not {has}'


def _fits(actual: TypeNode, expected: TypeNode, scalars: set[str]) -> bool:
    """The same type, stricter about null if it likes."""
    has, wants = print_ast(actual), print_ast(expected)
    if has == wants:
        return True
    if isinstance(actual, NonNullTypeNode) and not isinstance(expected, NonNullTypeNode):
        return _fits(actual.type, expected, scalars)
    # the specification's scalars may be written as what any library has
    base = expected
    while not isinstance(base, NamedTypeNode):
        base = base.type  # type: ignore[attr-defined]
    return base.name.value in scalars and has.strip("[]!") in _BUILT_IN
