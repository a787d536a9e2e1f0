"""What a change of the API means for clients; held against graphql-core's own finder on random changes."""

import random

import pytest
from graphql import BreakingChangeType, build_schema, find_breaking_changes, find_dangerous_changes

from botberi_gateway.supergraph.changes import changes

OLD = """
directive @trace(deep: Boolean) repeatable on FIELD | QUERY
interface Node { id: ID! }
type Query { node(id: ID!, kind: Kind = A, limit: Int): Node product: Product \
search(filter: Filter): [Hit!]! unit: Unit }
type Mutation { add(name: String): Product }
type Product implements Node { id: ID! name: String price: Int! tags: [String] }
type Film { id: ID! title: String }
union Hit = Product | Film
enum Kind { A B }
enum Unit { KG LB }
input Filter { text: String = "x" limit: Int! = 3 kind: [Kind!] }
scalar Day
"""


def found(new: str) -> set[tuple[str, str, str]]:
    return {(c.severity, c.code, c.coordinate) for c in changes(build_schema(OLD), build_schema(new))}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("scalar Day", "", ("breaking", "TYPE_REMOVED", "Day")),
        ("scalar Day", "scalar Day scalar Night", ("safe", "TYPE_ADDED", "Night")),
        ("scalar Day", "enum Day { MON }", ("breaking", "TYPE_CHANGED_KIND", "Day")),
        (
            "type Mutation { add(name: String): Product }",
            "schema { query: Query } type Mutation { add(name: String): Product }",
            ("breaking", "ROOT_TYPE_REMOVED", "Mutation"),
        ),
        ("name: String price", "price", ("breaking", "FIELD_REMOVED", "Product.name")),
        ("price: Int!", "price: Int! size: Int", ("safe", "FIELD_ADDED", "Product.size")),
        ("price: Int!", "price: Int", ("breaking", "FIELD_CHANGED_KIND", "Product.price")),
        ("name: String price", "name: String! price", ("safe", "FIELD_CHANGED_KIND_SAFE", "Product.name")),
        ("tags: [String]", "tags: [String!]", ("safe", "FIELD_CHANGED_KIND_SAFE", "Product.tags")),
        ("tags: [String]", "tags: String", ("breaking", "FIELD_CHANGED_KIND", "Product.tags")),
        ("tags: [String]", 'tags: [String] @deprecated(reason: "old")', ("safe", "DEPRECATION_ADDED", "Product.tags")),
        ("Product implements Node", "Product", ("breaking", "IMPLEMENTED_INTERFACE_REMOVED", "Product")),
        ("type Film {", "type Film implements Node {", ("dangerous", "IMPLEMENTED_INTERFACE_ADDED", "Film")),
        (", limit: Int", "", ("breaking", "ARG_REMOVED", "Query.node(limit:)")),
        (", limit: Int", ", limit: Int, a: Int!", ("breaking", "REQUIRED_ARG_ADDED", "Query.node(a:)")),
        (", limit: Int", ", limit: Int, a: Int! = 1", ("dangerous", "OPTIONAL_ARG_ADDED", "Query.node(a:)")),
        ("node(id: ID!", "node(id: ID", ("safe", "ARG_CHANGED_KIND_SAFE", "Query.node(id:)")),
        (", limit: Int", ", limit: Int!", ("breaking", "ARG_CHANGED_KIND", "Query.node(limit:)")),
        ("kind: Kind = A", "kind: Kind = B", ("dangerous", "ARG_DEFAULT_VALUE_CHANGE", "Query.node(kind:)")),
        ("kind: Kind = A", "kind: Kind", ("dangerous", "ARG_DEFAULT_VALUE_CHANGE", "Query.node(kind:)")),
        ("limit: Int! = 3", "limit: Int!", ("breaking", "INPUT_FIELD_DEFAULT_VALUE_REMOVED", "Filter.limit")),
        ('text: String = "x"', 'text: String = "y"', ("dangerous", "INPUT_FIELD_DEFAULT_VALUE_CHANGE", "Filter.text")),
        ('text: String = "x" ', "", ("breaking", "FIELD_REMOVED", "Filter.text")),
        ("input Filter {", "input Filter { a: Int!", ("breaking", "REQUIRED_INPUT_FIELD_ADDED", "Filter.a")),
        ("input Filter {", "input Filter { a: Int", ("dangerous", "OPTIONAL_INPUT_FIELD_ADDED", "Filter.a")),
        ("kind: [Kind!]", "kind: [Kind]", ("safe", "FIELD_CHANGED_KIND_SAFE", "Filter.kind")),
        ("Unit { KG LB }", "Unit { KG }", ("breaking", "VALUE_REMOVED_FROM_ENUM", "Unit.LB")),
        ("Unit { KG LB }", "Unit { KG LB T }", ("dangerous", "VALUE_ADDED_TO_ENUM", "Unit.T")),
        ("Kind { A B }", "Kind { A B C }", ("safe", "VALUE_ADDED_TO_INPUT_ENUM", "Kind.C")),
        ("Hit = Product | Film", "Hit = Product", ("breaking", "TYPE_REMOVED_FROM_UNION", "Hit")),
        ("union Hit", "type Song { a: Int } union Hit", ("safe", "TYPE_ADDED", "Song")),
        ("Hit = Product | Film", "Hit = Product | Film | Query", ("dangerous", "TYPE_ADDED_TO_UNION", "Hit")),
        ("repeatable on", "on", ("breaking", "DIRECTIVE_REPEATABLE_REMOVED", "@trace")),
        ("FIELD | QUERY", "FIELD", ("breaking", "DIRECTIVE_LOCATION_REMOVED", "@trace")),
        ("(deep: Boolean)", "", ("breaking", "DIRECTIVE_ARG_REMOVED", "@trace(deep:)")),
    ],
)  # fmt: skip
def test_change(old: str, new: str, expected: tuple[str, str, str]) -> None:
    assert old in OLD
    assert found(OLD.replace(old, new, 1)) == {expected}


def test_nothing_changed() -> None:
    assert found(OLD) == set()


@pytest.mark.parametrize("seed", range(60))
def test_breaks_what_graphql_core_says_breaks(seed: int) -> None:
    """Each finder's breaking and dangerous changes, counted by element; ours may know more, never fewer or milder."""
    dice = random.Random(seed)
    new = OLD
    swaps = [
        "String",
        "Int",
        "ID!",
        "[String]",
        "Int!",
        "Kind",
        "Product",
        "Film",
        "A",
        "KG",
        " | Film",
        ", limit: Int",
        "= 3",
        " = A",
    ]
    for _ in range(3):
        old, other = dice.choice(swaps), dice.choice(["", "Int", "String", "String!", "[Int!]", " "])
        places = [i for i in range(len(new)) if new.startswith(old, i)]
        if places:
            at = dice.choice(places)
            candidate = new[:at] + other + new[at + len(old) :]
            try:
                build_schema(candidate)
            except Exception:
                continue
            new = candidate
    before, after = build_schema(OLD), build_schema(new)
    ours = changes(before, after)
    # graphql-core says so of scalars that GraphQL itself has, when no field uses them any more.
    theirs = [
        c
        for c in find_breaking_changes(before, after)
        if not (c.type is BreakingChangeType.TYPE_REMOVED and "Standard scalar" in c.description)
    ]
    assert sum(c.severity == "breaking" for c in ours) >= len(theirs)
    dangerous = [c for c in find_dangerous_changes(before, after) if "Kind" not in c.description]
    assert sum(c.severity != "safe" for c in ours) >= len(theirs) + len(dangerous)


@pytest.mark.parametrize(
    "place", ["type Query {{ q(o: {} = {}): Int }}", "input I {{ o: {} = {} }} type Query {{ q(i: I): Int }}"]
)
@pytest.mark.parametrize(
    ("type_", "old", "new"),
    [
        ("O", "{a: 1, b: 2}", "{b: 2.0, a: 1}"),
        ("O", "{l: {x: 1}}", "{l: [{x: 1.0}]}"),
        ("Float", "100.0", "1e2"),
        ("String", '"a"', '"""a"""'),
        ("[[Int]]", "1", "[[1]]"),
        ("ID", "1", '"1"'),
        ("J", "{a: 1, b: [1]}", "{b: [1.0], a: 1}"),
    ],
)  # fmt: skip
def test_a_default_written_otherwise_is_no_change(place: str, type_: str, old: str, new: str) -> None:
    types = "input O { a: Int b: Float l: [P] } input P { x: Float } scalar J "
    one, other = (build_schema(types + place.format(type_, value)) for value in (old, new))
    assert changes(one, other) == []


@pytest.mark.parametrize(
    ("type_", "old", "new"),
    [
        ("Int", "1", "2"),
        ("Boolean", "true", "false"),
        ("J", "1", "true"),
        ("J", "1", '"1"'),
        ("[Int]", "[1]", "[1, 1]"),
    ],
)
def test_a_default_of_another_value_is_a_change(type_: str, old: str, new: str) -> None:
    one, other = (build_schema(f"scalar J type Query {{ q(o: {type_} = {value}): Int }}") for value in (old, new))
    assert [c.code for c in changes(one, other)] == ["ARG_DEFAULT_VALUE_CHANGE"]
