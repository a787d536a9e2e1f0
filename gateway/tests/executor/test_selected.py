"""What a fetch selects, as it is read for compiling: the same as graphql-core's parser sees."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    parse,
    print_ast,
)

from botberi_gateway.executor.compiled.selected import Selected, selected
from botberi_gateway.executor.compiled.source import Unsupported


def by_the_parser(text: str) -> tuple[str, list[Selected]]:
    document = parse(text)
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}

    def conditions(node: Any) -> tuple[tuple[str | bool, bool], ...]:
        return tuple(
            (value.name.value if isinstance(value, VariableNode) else value.value, one.name.value == "include")
            for one in node.directives or ()
            if one.name.value in ("skip", "include")
            for value in (one.arguments[0].value,)
        )

    def below(selections: SelectionSetNode) -> list[Selected]:
        found = []
        for one in selections.selections:
            if isinstance(one, FieldNode):
                inner = None if one.selection_set is None else below(one.selection_set)
                key = (one.alias or one.name).value
                found.append(Selected(one.name.value, key, inner, None, conditions(one)))
                continue
            body = fragments[one.name.value] if isinstance(one, FragmentSpreadNode) else one
            assert isinstance(body, InlineFragmentNode | FragmentDefinitionNode)
            name = None if body.type_condition is None else body.type_condition.name.value
            found.append(Selected("", "", below(body.selection_set), name, conditions(one)))
        return found

    (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    return operation.operation.value, below(operation.selection_set)


def text_of(found: tuple[str, Sequence[Selected]]) -> str:
    return repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "{ a }",
        "query { a b: c { d } }",
        "subscription S($x: [Int!]! = [1, 2] @deprecated) @live { a(b: {c: [$x, -1.5e3]}) { __typename } }",
        'mutation M { a(text: "a ) \\" } { b", block: """ ) } "quoted" \\""" """, empty: "", e2: """""") { b } }',
        "{ ... on A { b } ... { c } ... @include(if: $x) { d } ...@skip(if: true) { e } }",
        "{ a @include(if: $x) @skip(if: $y) @other(x: 1) ...F @skip(if: $z) } "
        "fragment F on T { b ...G } fragment G on U { c fragment G on }",
        "fragment G on U @x { c } query($on: Int) { ...F g: on } fragment F on T { b ...G fragment }",
        '# a comment with { and "\n{ a # } \n, b: on, query }',
        "{ fragment on on: fragment { on } query mutation }",
        "query query { query }",
    ],
)
def test_reads_what_a_parser_reads(text: str) -> None:
    assert text_of(selected(text)) == text_of(by_the_parser(text))


def test_reads_random_operations_as_a_parser_does() -> None:
    for seed in range(150):
        text = random_document(random.Random(seed))
        for form in (text, print_ast(parse(text))):
            assert text_of(selected(form)) == text_of(by_the_parser(form)), form


def random_document(chosen: random.Random) -> str:
    names = ("a", "on", "b1", "_entities", "fragment", "query", "__typename")
    values = ("1", "-2.5", "null", "true", "RED", "$x", '"}"', '"\\\\"', '"""({"""', "[1 2 $y]", "{k: [{l: $z}]}")

    def directives() -> str:
        kinds = ("@include(if: $x)", "@skip(if: $y)", "@include(if: false)", "@tag(name: {a: 1})")
        return "".join(f" {one}" for one in chosen.sample(kinds, chosen.choice((0, 0, 0, 1, 2))))

    def selections(depth: int) -> str:
        return "{ " + chosen.choice((" ", ", ", "\n")).join(one(depth) for _ in range(chosen.randint(1, 4))) + " }"

    def one(depth: int) -> str:
        roll = chosen.random()
        if roll < 0.15 and depth:
            return f"...{chosen.choice(('', ' on T', ' on on'))}{directives()} {selections(depth - 1)}"
        if roll < 0.25:
            return f"...F{chosen.randint(1, 2)}{directives()}"
        alias = chosen.choice(("", "", f"{chosen.choice(names)}: "))
        given = f"(x: {chosen.choice(values)}, on: {chosen.choice(values)})" if chosen.random() < 0.4 else ""
        below = f" {selections(depth - 1)}" if depth and chosen.random() < 0.6 else ""
        return f"{alias}{chosen.choice(names)}{given}{directives()}{below}"

    text = f"{chosen.choice(('', 'query ', 'query Q($x: Int = 1)', 'mutation M '))}{selections(4)}"
    return text + " fragment F1 on T { a { b } } fragment F2 on U { ...F1 c }"


@pytest.mark.parametrize("text", ["{ a", "{ ...F }", "{ a(x: 1 }", "query"])
def test_what_is_no_operation_is_not_compiled(text: str) -> None:
    with pytest.raises(Unsupported):
        selected(text)
