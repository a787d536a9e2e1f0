"""Introspection is answered as by graphql-core, byte for byte, and its fields are counted while they are made."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    build_schema,
    execute_sync,
    get_introspection_query,
    get_named_type,
    is_object_type,
    parse,
)

from botberi_gateway.codec import encode
from botberi_gateway.errors import RequestError
from botberi_gateway.executor.introspection import Introspection, usual_fields
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.operation.limits import UNLIMITED

SCHEMA = build_schema('''
"""All of it."""
schema { query: Query mutation: Mutation }
directive @shown(where: Place = LEFT, old: Int @deprecated) repeatable on FIELD | QUERY
enum Place { LEFT RIGHT @deprecated(reason: "there is none") }
scalar Url @specifiedBy(url: "https://example.org/url")
interface Node { id: ID! }
interface Named implements Node { id: ID! name(upper: Boolean = false, gone: Int @deprecated): String }
type User implements Node & Named {
  id: ID! name(upper: Boolean = false, gone: Int @deprecated): String old: [Int!]! @deprecated
}
type Group implements Node { id: ID! members: [[User!]!] place: Place! home: Url }
union Any = User | Group
input Filter { text: String! = "a", places: [Place!] = [LEFT], below: Filter, gone: Int @deprecated }
input Either @oneOf { id: ID name: String }
"A description"
type Query { any(filter: Filter, either: Either): [Any] node(id: ID!): Node }
type Mutation { go(filter: Filter! = {text: "b"}): Int }
''')


def answer(schema: GraphQLSchema, query: str, variables: dict[str, Any]) -> bytes:
    """What `Introspection` gives, as a response."""
    operation = prepare(schema, query, None, UNLIMITED)
    introspection = Introspection(operation, coerce_variables(operation, variables)).make()
    data: dict[str, Any] = {}
    errors = []
    for key, nodes in introspection._selections.fields([operation.selection_set], schema.query_type).items():
        data[key], found = introspection.value(key, nodes)
        errors += found
    return encode({"data": data, "errors": [[e.message, list(e.path or ())] for e in errors]})


def reference(schema: GraphQLSchema, query: str, variables: dict[str, Any]) -> bytes:
    """What graphql-core gives."""
    result = execute_sync(schema, parse(query), variable_values=variables)
    return encode({"data": result.data, "errors": [[e.message, e.path] for e in result.errors or ()]})


def count(value: Any) -> int:
    """Fields of an answer, and items of lists of names."""
    if isinstance(value, dict):
        return sum(1 + count(each) for each in value.values())
    if isinstance(value, list):
        return sum(count(each) if isinstance(each, dict | list) else 1 for each in value)
    return 0


def usual_queries() -> Iterator[str]:
    """Of graphql-core, which has graphql-js's options: what the clients ask that are built on either."""
    for bits in range(32):
        yield get_introspection_query(
            descriptions=bool(bits & 1),
            specified_by_url=bool(bits & 2),
            directive_is_repeatable=bool(bits & 4),
            schema_description=bool(bits & 8),
            input_value_deprecation=bool(bits & 16),
            one_of=bool(bits & 16),
            type_depth=7 + bits % 3,
        )


@pytest.mark.parametrize("query", [*usual_queries()])
def test_usual_queries_are_answered_as_by_the_reference(query: str) -> None:
    assert answer(SCHEMA, query, {}) == reference(SCHEMA, query, {})


def random_selection(rng: random.Random, kind: GraphQLObjectType, depth: int) -> str:
    chosen = rng.sample(list(kind.fields), min(len(kind.fields), rng.randint(1, 4)))
    parts = []
    for number, name in enumerate(chosen):
        definition = kind.fields[name]
        alias = f"x{number}: " if rng.random() < 0.2 else ""
        arguments = ""
        if "includeDeprecated" in definition.args:
            arguments = rng.choice(
                ["", "(includeDeprecated: true)", "(includeDeprecated: false)", "(includeDeprecated: $d)"]
            )
        named = get_named_type(definition.type)
        below = ""
        if is_object_type(named):
            if depth == 0:
                continue
            below = f" {{ {random_selection(rng, named, depth - 1)} }}"
        directive = rng.choice(["", "", "", " @include(if: $d)", " @skip(if: $d)"])
        parts.append(f"{alias}{name}{arguments}{directive}{below}")
    if rng.random() < 0.3:
        parts.append(f"... on {kind.name} {{ __typename }}")
    return " ".join(parts) or "__typename"


@pytest.mark.parametrize("seed", range(150))
def test_random_queries_are_answered_as_by_the_reference(seed: int) -> None:
    rng = random.Random(seed)
    schema_type, type_type = SCHEMA.type_map["__Schema"], SCHEMA.type_map["__Type"]
    name = rng.choice(["User", "Node", "Any", "Filter", "Place", "Nothing", "__Type"])
    query = (
        "query ($d: Boolean! = true) { x: __typename @include(if: $d) "
        f"__schema {{ {random_selection(rng, schema_type, 4)} }} "
        f'a: __type(name: "{name}") {{ {random_selection(rng, type_type, 4)} }} }}'
    ).replace("x: __typename @include(if: $d) ", "")
    if "$d" not in query.split("{", 1)[1]:
        query = query.replace("query ($d: Boolean! = true)", "query")
    for variables in ({}, {"d": False}):
        assert answer(SCHEMA, query, variables) == reference(SCHEMA, query, variables)


def test_a_variable_that_is_null_where_none_may_be_is_an_error_at_each_field() -> None:
    query = "query ($d: Boolean = true) { __schema { types { name fields(includeDeprecated: $d) { name } } } }"
    assert answer(SCHEMA, query, {"d": None}) == reference(SCHEMA, query, {"d": None})


def test_a_default_that_cannot_be_printed_is_an_error_in_its_place() -> None:
    broken = GraphQLArgument(GraphQLInt, default_value="no number")
    schema = GraphQLSchema(GraphQLObjectType("Query", {"a": GraphQLField(GraphQLString, {"x": broken})}))
    query = (
        '{ a: __type(name: "Query") { fields { args { name defaultValue } } } '
        'b: __type(name: "Query") { fields { args { defaultValue } } } }'
    )
    given = answer(schema, query, {})
    assert given == reference(schema, query, {})
    assert b"no number" in given


def test_what_a_schema_repeats_is_counted_as_often_as_it_is_shown() -> None:
    query = next(usual_queries())
    operation = prepare(SCHEMA, query)
    introspection = Introspection(operation, {}).make()
    (value, _), *_ = introspection._values.values()
    assert introspection.fields == count({"__schema": value})


def test_it_stops_where_the_limit_is_passed() -> None:
    levels = 12
    query = "{ __schema { types " + "{ possibleTypes { interfaces " * levels + "{ name }" + "} }" * levels + "}}"
    operation = prepare(SCHEMA, query, None, UNLIMITED)
    with pytest.raises(RequestError) as refused:
        Introspection(operation, {}, max_fields=10).make()
    # What tools ask of this schema is admitted all the same, twice.
    assert (
        refused.value.message
        == f"The operation exceeds the limit of {2 * usual_fields(SCHEMA)} fields of introspection."
    )
    assert refused.value.code == "LIMIT_EXCEEDED"
