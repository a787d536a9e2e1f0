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

from gateway.composition.ingest.vocabulary import Vocabulary
from gateway.composition.problem import Problem, place

_BUILT_IN = frozenset({"Int", "Float", "String", "Boolean", "ID"})


def invalid_redefinitions(document: DocumentNode, words: Vocabulary, subgraph: str) -> list[Problem]:
    """`DIRECTIVE_DEFINITION_INVALID` and `TYPE_DEFINITION_INVALID`."""
    problems = []
    local_types = {name: spec for spec, name in words.types.items()}
    for node in document.definitions:
        if isinstance(node, DirectiveDefinitionNode):
            expected = words.definitions.get(node.name.value)
            if expected is None:
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


def _differences(found: DirectiveDefinitionNode, expected: DirectiveDefinitionNode, scalars: set[str]) -> Iterator[str]:
    wanted = {a.name.value: a for a in expected.arguments or ()}
    written = {a.name.value: a for a in found.arguments or ()}
    for name, argument in wanted.items():
        if name not in written:
            if isinstance(argument.type, NonNullTypeNode) and argument.default_value is None:
                yield f'it lacks the argument "{name}"'
            continue
        yield from _argument_differences(written[name], argument, scalars)
    for name in written:
        if name not in wanted:
            yield f'it has no argument "{name}"'
    if found.repeatable and not expected.repeatable:
        yield "it is not repeatable"
    allowed = {location.value for location in expected.locations}
    foreign = sorted({location.value for location in found.locations} - allowed)
    if foreign:
        yield f"it can't be on {', '.join(foreign)} (only on {', '.join(sorted(allowed))})"


def _argument_differences(
    found: InputValueDefinitionNode, expected: InputValueDefinitionNode, scalars: set[str]
) -> Iterator[str]:
    if not _fits(found.type, expected.type, scalars):
        yield f'"{found.name.value}" has to be of type {print_ast(expected.type)}, not {print_ast(found.type)}'
        return
    if not isinstance(found.type, NonNullTypeNode) or found.default_value is not None:
        has = print_ast(found.default_value) if found.default_value else "null"
        wants = print_ast(expected.default_value) if expected.default_value else "null"
        if has != wants:
            yield f'the default of "{found.name.value}" has to be {wants}, not {has}'


def _fits(found: TypeNode, expected: TypeNode, scalars: set[str]) -> bool:
    """The same type, stricter about null if it likes."""
    has, wants = print_ast(found), print_ast(expected)
    if has == wants:
        return True
    if isinstance(found, NonNullTypeNode) and not isinstance(expected, NonNullTypeNode):
        return _fits(found.type, expected, scalars)
    # the specification's scalars may be written as what any library has
    base = expected
    while not isinstance(base, NamedTypeNode):
        base = base.type  # type: ignore[attr-defined]
    return base.name.value in scalars and has.strip("[]!") in _BUILT_IN
