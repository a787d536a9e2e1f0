"""A document that is called certainly valid breaks no rule; most valid documents are called so."""

import random
import re

import pytest
from graphql import GraphQLSyntaxError, build_schema, parse

from botberi_gateway.operation.plain import is_certainly_valid
from botberi_gateway.operation.prepare import RULES
from botberi_gateway.operation.validating import violations
from gateway.tests.operation.test_validating import DOCUMENTS, SCHEMA
from gateway.tests.support.random_operations import Generator

SHOP = build_schema("""
  type Query {
    product(id: ID!, lang: Lang = EN): Product  products(first: Int = 10, filter: Filter): [Product!]!
    search(text: String!): [Result!]  node(id: ID!): Node
  }
  interface Node { id: ID! }
  type Product implements Node { id: ID! name: String! price(in: Currency!): Float reviews(first: Int): [Review!] }
  type Review implements Node { id: ID! stars: Int! author: User product: Product! }
  type User implements Node { id: ID! name: String reviews: [Review!] }
  union Result = Product | User
  enum Lang { EN DE }
  enum Currency { EUR USD }
  input Filter { text: String! not: Filter price: Float tags: [String!] by: Order = UP }
  enum Order { UP DOWN }
""")
PLAIN = [
    "{ products { id name } }",
    "{ __typename products(first: 3) { ...P } } fragment P on Product { id price(in: EUR) reviews { stars } }",
    "query Q($id: ID!, $deep: Boolean!) { product(id: $id) { id name @include(if: $deep) } }",
    'query($f: Filter) { products(filter: $f) { id } a: products(filter: {text: "x", tags: ["y"], price: 1}) { id } }',
    "query($n: Int!) { products(first: $n) { reviews(first: $n) { id __typename author { id } } } }",
    "{ node(id: 1) { id __typename ... on User { name } ... on Product { id price(in: USD) @skip(if: false) } } }",
    '{ search(text: "x") { __typename ... on Node { id } ... on User { reviews { ...R } } } } fragment R on Review { id }',
]
#: Small changes, most of which break a rule.
TOKENS = [
    *("id", "name", "price", "reviews", "author", "stars", "Product", "User", "Node", "Result", "EN", "EUR", "Filter"),
    *(
        "first",
        "in",
        "text",
        "$n",
        "$id",
        "1",
        "2.5",
        '"x"',
        "null",
        "true",
        "[1]",
        "{text: 1}",
        "Int",
        "ID!",
        "String",
    ),
    *(
        "@skip(if: true)",
        "@include(if: $deep)",
        "@skip",
        "@other",
        "...P",
        "...R",
        "... on User { id }",
        "{ id }",
        "a:",
    ),
    *(
        "99999999999",
        "1e400",
        '"""x"""',
        "__typename",
        "__schema",
        "on",
        "(first: 1)",
        "(first: 1, first: 2)",
        "first: 1",
    ),
]


@pytest.mark.parametrize("text", PLAIN, ids=lambda text: text[:40])
def test_usual_documents_are_certainly_valid(text: str) -> None:
    document = parse(text)
    assert not violations(SHOP, document, RULES, 10)
    if "on Node" not in text:  # whether two abstract types overlap is left to the rules
        assert is_certainly_valid(SHOP, document)


@pytest.mark.parametrize("text", DOCUMENTS, ids=lambda text: text[:40])
def test_what_the_rules_refuse_is_not_certainly_valid(text: str) -> None:
    document = parse(text)
    if violations(SCHEMA, document, RULES, 10):
        assert not is_certainly_valid(SCHEMA, document)


@pytest.mark.parametrize("seed", range(4))
def test_no_mutant_is_called_valid_that_is_not(seed: int) -> None:
    chance = random.Random(seed)
    certain = invalid = 0
    for _ in range(700):
        parts = re.split(r'("[^"]*"|[\s{}():,]+)', chance.choice(PLAIN))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(parts))
            parts[at] = chance.choice([chance.choice(TOKENS), "", parts[at] + " " + chance.choice(TOKENS)])
        try:
            document = parse("".join(parts))
        except GraphQLSyntaxError:
            continue
        violated = violations(SHOP, document, RULES, 1)
        invalid += bool(violated)
        if is_certainly_valid(SHOP, document):
            certain += 1
            assert not violated, "".join(parts)
    assert invalid > 5
    assert certain > 10


def test_random_operations_are_seen_as_the_rules_see_them() -> None:
    certain = valid = 0
    for seed in range(400):
        document = parse(Generator(SHOP, seed).operation()[0])
        violated = violations(SHOP, document, RULES, 1)
        sure = is_certainly_valid(SHOP, document)
        assert not (sure and violated), seed
        certain, valid = certain + sure, valid + (not violated)
    assert certain > valid / 4
