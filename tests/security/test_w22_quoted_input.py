"""W22: a refusal quotes no value, neither of the document nor of its variables, and no name longer than need be."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import build_schema

from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import RequestError
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.operation.wording import MAX_MESSAGE, MAX_NAME, bounded, without_tokens, without_values

SCHEMA = build_schema("""
enum Role { ADMIN USER }
scalar Json
input Deep { a: [Deep!], n: Int! }
input Login { email: String!, password: String!, role: Role, id: ID, n: Int, f: Float, b: Boolean, deep: Deep, j: Json }
input One @oneOf { a: Int b: String }
type Query {
  login(input: Login, one: One, r: Role, ids: [ID!], n: Int, s: String,
      f: Float, b: Boolean, l: [[Int!]!], j: Json): Int
  pair(a: Int!, b: Int!): Int
}
""")
VARIABLES = (
    "$input: Login, $one: One, $r: Role, $ids: [ID!], $n: Int, $s: String, $f: Float, $b: Boolean, $l: [[Int!]!]"
)
ARGUMENTS = re.sub(r"\$(\w+): [^,]*", r"\1: $\1", VARIABLES)
#: Letters and digits that no refusal may have in it, in whatever place they stand.
WORD, DIGITS = "hunter2hunter2", "90210902109021"

LITERALS = [
    f'input: {{email: "{WORD}", passwrd: "{WORD}"}}',
    f'input: {{email: "{WORD}"}}',
    f'input: "{WORD}"',
    f"input: {WORD}",
    f"input: [{DIGITS}]",
    f'input: {{email: "a", password: "{WORD}", deep: {{a: [{{n: "{WORD}"}}], n: 1}}}}',
    f'n: "{WORD}"',
    f"n: {DIGITS}",
    f"n: {DIGITS}.5",
    f'f: "{WORD}"',
    f'b: "{WORD}"',
    f"s: {DIGITS}",
    f"s: {WORD}",
    f"s: {{a: {WORD}}}",
    f"r: {WORD}",
    f'r: "{WORD}"',
    f'one: {{a: 1, b: "{WORD}"}}',
    f'ids: [{{a: "{WORD}"}}]',
    f'l: [[1, "{WORD}"]]',
    f'n: """{WORD}"""',
]
VALUES: list[dict[str, Any]] = [
    {"input": {"email": WORD, "passwrd": WORD}},
    {"input": {"email": WORD, "password": WORD, f"{WORD} x": 1}},
    {"input": {"email": WORD, "password": WORD, f"x', found: {WORD}": 1}},
    {"input": {"email": WORD}},
    {"input": {"email": {WORD: WORD}, "password": [WORD]}},
    {"input": {"email": "a", "password": "b", "deep": {"a": [{"n": WORD}], "n": int(DIGITS)}}},
    {"input": WORD},
    {"input": [WORD]},
    {"n": WORD},
    {"n": int(DIGITS)},
    {"n": float(DIGITS) + 0.5},
    {"f": WORD},
    {"b": WORD},
    {"b": int(DIGITS)},
    {"s": int(DIGITS)},
    {"s": {WORD: WORD}},
    {"r": WORD},
    {"r": f"A' does not exist in 'Role' enum. {WORD}"},
    {"r": int(DIGITS)},
    {"one": {"a": int(DIGITS), "b": WORD}},
    {"ids": [{WORD: WORD}]},
    {"l": [[1, WORD]]},
]
SYNTAX = [
    f'{{ login(s: "{WORD}" "{WORD}") }}',
    f'{{ login("{WORD}") }}',
    f'{{ login("""{WORD}""") }}',
    f"{{ login({DIGITS}) }}",
    f"{{ {DIGITS}.5 }}",
    f'"{WORD}"',
    f'{{ login(s: "{WORD}\n") }}',
    f'{{ login(s: "{WORD}',
    f'{{ login(s: "\\u{{{WORD}}}") }}',
    f'# {WORD}\n{{ login(s: 1 "{WORD}") }}',
]


def refusal(
    query: str, variables: dict[str, Any] | None = None, limits: OperationLimits | None = None
) -> Iterator[str]:
    """The messages with which an operation is refused."""
    with pytest.raises(RequestError) as refused:
        coerce_variables(prepare(SCHEMA, query, None, limits), variables)
    assert refused.value.errors
    for entry in refused.value.errors:
        yield entry.message


def assert_nothing_quoted(messages: Iterator[str]) -> None:
    for message in messages:
        assert WORD not in message
        assert DIGITS not in message
        assert message.endswith(".")


@pytest.mark.parametrize("arguments", LITERALS)
def test_no_literal_is_quoted(arguments: str) -> None:
    assert_nothing_quoted(refusal(f"{{ login({arguments}) }}"))


@pytest.mark.parametrize("arguments", [literal for literal in LITERALS if literal.startswith("input")])
def test_no_default_of_a_variable_is_quoted(arguments: str) -> None:
    default = arguments.removeprefix("input: ")
    assert_nothing_quoted(refusal(f"query ($x: Login = {default}) {{ login(input: $x) }}"))


@pytest.mark.parametrize("variables", VALUES, ids=str)
def test_no_variable_is_quoted(variables: dict[str, Any]) -> None:
    assert_nothing_quoted(refusal(f"query ({VARIABLES}) {{ login({ARGUMENTS}) }}", variables))


@pytest.mark.parametrize("query", SYNTAX)
def test_no_value_in_a_wrong_place_is_quoted(query: str) -> None:
    assert_nothing_quoted(refusal(query))


def test_a_refusal_still_says_what_is_wrong_and_where() -> None:
    given = {"input": {"email": "a", "password": "b", "deep": {"a": [{"n": "x"}], "n": 1}}}
    assert list(refusal("query ($x: Login) { login(input: $x) }", {"x": given["input"]})) == [
        "Variable '$x' has invalid value at .deep.a[0].n: Int cannot represent non-integer value."
    ]
    assert list(refusal('{ login(input: {email: "a", passwrd: "b"}) }')) == [
        "Expected value of type 'Login' to include required field 'password'.",
        "Expected value of type 'Login' not to include unknown field 'passwrd'.",
    ]
    assert list(refusal("{ login(r: OWNER) }")) == ["The value does not exist in 'Role' enum."]


LONG = "n" * 5_000
NAMES = [
    f"{{ {LONG} }}",
    f"{{ {LONG}: nothing }}",
    f"{{ login({LONG}: 1) }}",
    f"{{ login @{LONG} }}",
    f"{{ ...{LONG} }}",
    f"{{ ... on {LONG} {{ a }} }}",
    f"fragment {LONG} on Query {{ login }} {{ login }}",
    f"query {LONG} {{ login }} query {LONG} {{ login }}",
    f"query ($x: {LONG}) {{ login }}",
    f"query (${LONG}: Int) {{ login }}",
    f"{{ login(n: ${LONG}) }}",
    f"{{ login(input: {{{LONG}: 1}}) }}",
    f"{{ {LONG}: login {LONG}: pair(a: 1, b: 2) }}",
    f"{{ login {LONG} login( }}",
    # Circles of fragments name each other: a message as long as the document.
    "{ ...F0 } "
    + " ".join(f"fragment F{n}{'x' * 50} on Query {{ ...F{n + 1}{'x' * 50} }}" for n in range(200))
    + f" fragment F200{'x' * 50} on Query {{ ...F0{'x' * 50} }}",
]


@pytest.mark.parametrize("query", NAMES, ids=lambda query: query[:20])
def test_no_message_is_as_long_as_a_name_in_it(query: str) -> None:
    for message in refusal(query, None, UNLIMITED):
        assert len(message) <= MAX_MESSAGE
        assert not re.search("n" * (MAX_NAME + 1), message)


def test_a_name_that_is_repeated_too_often_is_abbreviated() -> None:
    (message,) = refusal(
        "{ " + f"{LONG}: login " * 15 + f"{LONG}: login " * 6 + "}", None, OperationLimits(max_characters=200_000)
    )
    assert message == f"The operation exceeds the limit of 20 repeats of one response key ('{'n' * (MAX_NAME - 1)}…')."


def test_names_of_usual_length_are_left_as_they_are() -> None:
    name = "n" * MAX_NAME
    assert list(refusal(f"{{ {name} }}")) == [f"Cannot query field '{name}' on type 'Query'."]
    assert bounded("a" * (MAX_NAME + 1)) == "a" * (MAX_NAME - 1) + "…"


def test_messages_that_are_not_known_say_nothing() -> None:
    assert without_values(f"Whatever comes {WORD}") == "The value is not valid."
    assert without_values(f"Variable '$a' has invalid value at .b: new wording, {WORD}") == (
        "Variable '$a' has invalid value at .b: The value is not valid."
    )
    assert without_tokens(f"Syntax Error: Unexpected String '{WORD}'.") == "Syntax Error: Unexpected String."
