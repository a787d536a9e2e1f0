"""The estimate of an answer's size.

What counts, what multiplies, and that it takes no longer than the document is long.
"""

import time
from dataclasses import replace
from typing import Any

import pytest
from graphql import build_schema

from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import RequestError
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.operation.cost import Cost
from botberi_gateway.operation.limits import UNLIMITED

SCHEMA = build_schema("""
interface Node { id: ID! }
input Page { first: Int, limit: Int = 7, offset: Int }
type PageInfo { hasNextPage: Boolean! }
type UserEdge { node: User! }
type Users { nodes: [User!]! edges: [UserEdge!]! pageInfo: PageInfo! owners: Users total: Int }
type User implements Node {
  id: ID! name: String tags: [String!]!
  friends(first: Int, last: Int): [User!]!
  posts(limit: Int! = 3): [Post!]!
  users(first: Int): Users!
  all: [User!]!
}
type Post implements Node { id: ID! author: User! words(take: Int): [String] grid: [[Post!]!] }
union Found = User | Post
type Query {
  user: User
  users(first: Int, last: Int, after: String): Users!
  paged(page: Page): Users!
  items(count: String, first: [Int], price: Int): [User!]!
  found: [Found!]!
  node: Node
}
type Mutation { make(first: Int): [User!]! }
type Subscription { made: User }
""")
LIMITS = OperationLimits(assumed_list_size=10)


def figures(query: str, variables: dict[str, Any] | None = None) -> tuple[int, int]:
    """Objects and fields."""
    operation = prepare(SCHEMA, query, None, UNLIMITED)
    return Cost(operation, LIMITS).figures(coerce_variables(operation, variables))


@pytest.mark.parametrize(
    ("query", "objects", "fields"),
    [
        ("{ user { id name } }", 1, 3),
        ("{ __typename user { __typename } }", 1, 3),
        # What is asked about the schema is counted elsewhere.
        ("{ __schema { types { name } } }", 0, 1),
        ("{ user { a: id b: id c: id } }", 1, 4),
        # A list takes its size from its arguments, from the schema's default, or as assumed.
        ("{ user { friends(first: 5) { id } } }", 1 + 5, 2 + 5),
        ("{ user { friends(last: 5) { id } } }", 1 + 5, 2 + 5),
        ("{ user { friends(first: 2, last: 5) { id } } }", 1 + 5, 2 + 5),
        ("{ user { friends { id } } }", 1 + 10, 2 + 10),
        ("{ user { friends(first: null) { id } } }", 1 + 10, 2 + 10),
        ("{ user { friends(first: 0) { id } } }", 1, 2),
        ("{ user { friends(first: -5) { id } } }", 1, 2),
        ("{ user { posts { id } } }", 1 + 3, 2 + 3),
        ("{ user { posts(limit: 4) { id } } }", 1 + 4, 2 + 4),
        ("{ user { all { id } } }", 1 + 10, 2 + 10),
        # A connection's argument is for the lists directly below it, and for no other.
        ("{ users(first: 5) { nodes { id } } }", 1 + 5, 2 + 5),
        ("{ users(first: 5) { edges { node { id } } } }", 1 + 5 * 2, 2 + 5 * 2),
        ("{ users(first: 5) { pageInfo { hasNextPage } total } }", 2, 4),
        ("{ users(first: 5) { nodes { all { id } } } }", 1 + 5 * 11, 2 + 5 * 11),
        ("{ users(first: 5) { owners { nodes { id } } } }", 2 + 10, 3 + 10),
        ("{ users { nodes { id } } }", 1 + 10, 2 + 10),
        # Arguments in input objects.
        ("{ paged(page: {first: 4, limit: 2}) { nodes { id } } }", 1 + 4, 2 + 4),
        ("{ paged(page: {first: 4}) { nodes { id } } }", 1 + 7, 2 + 7),
        ("{ paged { nodes { id } } }", 1 + 7, 2 + 7),
        # Other types than Int, and other names, say nothing of a size.
        ('{ items(count: "5", first: [5], price: 5) { id } }', 10, 1 + 10),
        # Leaves in lists count as one, but where their number is known.
        ("{ user { tags } }", 1, 2),
        ("{ user { posts(limit: 1) { words(take: 50) } } }", 1 + 1, 2 + 1 + 50),
        # Lists in lists multiply.
        ("{ user { posts(limit: 1) { grid { id } } } }", 1 + 1 + 100, 3 + 100),
        ("{ users(first: 3) { nodes { users(first: 4) { nodes { id } } } } }", 1 + 3 * (1 + 1 + 4), 2 + 3 * (2 + 4)),
        # Aliases and fragments count as often as they are there.
        ("{ a: user { id } b: user { id } }", 2, 4),
        ("{ user { ...F ...F } } fragment F on User { friends(first: 2) { id } }", 1 + 4, 1 + 2 * 3),
        ("{ users(first: 5) { ...F } } fragment F on Users { nodes { id } }", 1 + 5, 2 + 5),
        # Of an object's possible types one is there.
        ("{ found { ... on User { name all { id } } ... on Post { id } } }", 10 * 11, 1 + 10 * 12),
        ("{ node { id ... on User { all { id } } ... on Post { id } ... on User { name } } }", 11, 14),
        ("{ node { ... on Node { id } ... on User { id } } }", 1, 3),
        # What a literal leaves out.
        ("{ user { all @include(if: false) { id } friends @skip(if: true) { id } id @include(if: true) } }", 1, 2),
        ("mutation { make(first: 2) { id } }", 2, 3),
        ("subscription { made { all { id } } }", 11, 12),
    ],
)
def test_what_is_counted(query: str, objects: int, fields: int) -> None:
    assert figures(query) == (objects, fields)


@pytest.mark.parametrize(
    ("query", "variables", "objects"),
    [
        ("query ($n: Int) { users(first: $n) { nodes { id } } }", {"n": 7}, 8),
        ("query ($n: Int) { users(first: $n) { nodes { id } } }", {}, 11),
        ("query ($n: Int) { users(first: $n) { nodes { id } } }", {"n": None}, 11),
        ("query ($n: Int = 4) { users(first: $n) { nodes { id } } }", {}, 5),
        ("query ($n: Int!) { user { posts(limit: $n) { id } } }", {"n": 9}, 10),
        ("query ($n: Int!) { user { friends(first: 20, last: $n) { id } } }", {"n": 9}, 21),
        ("query ($n: Int!) { users(first: $n) { nodes { users(first: $n) { nodes { id } } } } }", {"n": 3}, 1 + 3 * 5),
        ("query ($p: Page) { paged(page: $p) { nodes { id } } }", {"p": {"first": 30}}, 31),
        ("query ($p: Page) { paged(page: $p) { nodes { id } } }", {"p": None}, 11),
        ("query ($n: Int) { paged(page: {first: $n}) { nodes { id } } }", {"n": 30}, 31),
        ("query ($on: Boolean!) { user { all @include(if: $on) { id } } }", {"on": True}, 11),
        ("query ($on: Boolean!) { user { all @include(if: $on) { id } } }", {"on": False}, 1),
        ("query ($on: Boolean!) { user { ... @skip(if: $on) { all { id } } } }", {"on": True}, 1),
        ("query ($on: Boolean!) { user { ...F @skip(if: $on) } } fragment F on User { all { id } }", {"on": False}, 11),
        ("query ($n: Int!) { found { ... on User { friends(first: $n) { id } } ... on Post { id } } }", {"n": 5}, 60),
    ],
)
def test_variables_count_as_the_request_has_them(query: str, variables: dict[str, Any], objects: int) -> None:
    assert figures(query, variables)[0] == objects


def test_only_what_depends_on_variables_is_looked_at_again() -> None:
    def varies(query: str) -> bool:
        return Cost(prepare(SCHEMA, query), LIMITS).varies

    assert not varies("{ users(first: 5) { nodes { id } } }")
    assert not varies("query ($after: String) { users(first: 5, after: $after) { nodes { id } } }")
    # A leaf more or less isn't.
    assert varies("query ($n: Int) { users(first: $n) { nodes { id } } }")


def test_over_the_limit_the_error_tells_both_figures() -> None:
    operation = prepare(SCHEMA, "{ users(first: 1000) { nodes { users(first: 1000) { nodes { id } } } } }")
    with pytest.raises(RequestError) as refused:
        Cost(operation, LIMITS).check({})
    (entry,) = refused.value.errors
    assert entry.to_json() == {
        "message": "The answer is estimated at 1,002,001 objects; 100,000 are allowed. "
        "Ask for fewer items at a time, or for fewer lists in one another.",
        "extensions": {"code": "COST_LIMIT_EXCEEDED", "estimated": 1_002_001, "allowed": 100_000},
    }


def test_fields_have_a_limit_of_their_own() -> None:
    many = " ".join(f"x{number}: id" for number in range(150))
    operation = prepare(SCHEMA, f"{{ users(first: 10000) {{ nodes {{ {many} }} }} }}")
    with pytest.raises(RequestError, match="estimated at 1,500,002 fields; 1,000,000 are allowed"):
        Cost(operation, LIMITS).check({})


@pytest.mark.parametrize(
    "query",
    [
        # Two fragments that spread the next one twice: 2^40 lists.
        "query ($n: Int) { user { ...F0 } } "
        + " ".join(
            f"fragment F{n} on User {{ ...F{n + 1} a{n}: friends(first: $n) {{ ...F{n + 1} }} }}" for n in range(40)
        )
        + " fragment F40 on User { id }",
        # A fragment at 100 places, of 100 sizes.
        "{ user { "
        + " ".join(f"x{n}: users(first: {n}) {{ ...F }}" for n in range(100))
        + " } } fragment F on Users { nodes { "
        + " ".join(f"y{n}: all {{ id }}" for n in range(300))
        + " } }",
    ],
)
def test_it_is_linear_in_the_document(query: str) -> None:
    admitted = replace(UNLIMITED, max_fields=10**20, max_aliases=10**20, max_directives=10**20)
    operation = prepare(SCHEMA, query, None, admitted, ())
    started = time.process_time()
    cost = Cost(operation, LIMITS)
    cost.figures({"n": 2})
    assert time.process_time() - started < 0.5


def test_estimates_beyond_all_measure_are_reported_as_such() -> None:
    nested = "{ user { " + "all { " * 20 + "id" + " }" * 20 + " } }"
    with pytest.raises(RequestError) as refused:
        Cost(prepare(SCHEMA, nested), LIMITS).check({})
    assert refused.value.errors[0].extensions["estimated"] == 10**15
