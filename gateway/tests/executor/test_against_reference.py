"""Random operations on random data: our projection of an answer equals graphql-core's execution.

The subgraph's schema allows null everywhere, so its answer holds every value and every error; the API schema is strict,
so all propagation of nulls is ours. graphql-core on the strict schema is the truth: same data in the same key order,
and ours has each of its errors.
"""

import random
import re
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLSchema, build_schema, execute_sync, parse, validate

from botberi_gateway.plan import Plan
from botberi_gateway.upstream import SchemaClient
from gateway.tests.support.executing import execute
from gateway.tests.support.operations import operation_of
from gateway.tests.support.plans import fetch_of
from gateway.tests.support.runtimes import runtime_of

SDL = """
  type Query {
    node: Node item: Item! items: [Item!] matrix: [[Int!]]! grid: [[Item]!] me: User! list: [User]! word: String
  }
  interface Node { id: ID! next: Node color: Color }
  type User implements Node {
    id: ID! next: Node! color: Color! name: String! friends: [User!]! items: [Item] score: Float
  }
  type Product implements Node {
    id: ID! next: Node color: Color price: Float! owner: User! tags: [String!]! related: [[Node]!]!
  }
  type Note { text: String! author: User about: Item! flags: [Boolean!] }
  union Item = User | Product | Note
  enum Color { RED GREEN BLUE }
"""
STRICT = build_schema(SDL)
LOOSE = build_schema(SDL.replace("!", ""))
VARIABLES = {"yes": True, "no": False}
OBJECTS = ("User", "Product", "Note")


class Maker:
    """Everything random comes from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fragments: list[str] = []
        self.trouble = self.random.choice((0.0, 0.05, 0.25))

    # -- data

    def value(self, kind: Any, depth: int) -> Any:
        if self.random.random() < self.trouble:
            return self.random.choice((None, GraphQLError("injected")))
        text = str(kind).removesuffix("!")
        if text.startswith("["):
            inner = kind.of_type if str(kind).endswith("!") else kind
            return [self.value(inner.of_type, depth) for _ in range(self.random.randrange(3))]
        leaf = {
            "ID": lambda: str(self.random.randrange(9)),
            "String": lambda: "word",
            "Float": lambda: self.random.choice((1, 2.5)),
            "Int": lambda: self.random.randrange(9),
            "Boolean": lambda: True,
            "Color": lambda: self.random.choice(("RED", "GREEN", "BLUE")),
        }.get(text)
        if leaf is not None:
            return leaf()
        name = self.random.choice({"Node": OBJECTS[:2], "Item": OBJECTS}.get(text, (text,)))
        return {"__typename": name, **self.fields(name, depth - 1)} if depth else None

    def fields(self, name: str, depth: int) -> dict[str, Any]:
        definitions = STRICT.type_map[name].fields  # type: ignore[attr-defined]
        return {field: self.value(definition.type, depth) for field, definition in definitions.items()}

    # -- operations

    def selection(self, name: str, depth: int) -> str:
        parts = [self.part(name, depth) for _ in range(self.random.randint(1, 4))]
        return "{ " + " ".join(parts) + " }"

    def part(self, name: str, depth: int) -> str:
        roll = self.random.random()
        directive = self.random.choice(("", "", "", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: $no)"))
        if roll < 0.1:
            return self.random.choice(("__typename", "kind: __typename"))
        if roll < 0.3 and name != "Query" and depth:
            condition = self.random.choice(("User", "Product", "Note", "Node", "Item", name))
            body = self.selection(condition, depth - 1)
            if self.random.random() < 0.5:
                return f"... on {condition}{directive} {body}"
            fragment = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {fragment} on {condition} {body}")
            return f"...{fragment}{directive}"
        definitions = getattr(STRICT.type_map[name], "fields", None)
        if not definitions:
            return "__typename"
        field = self.random.choice(list(definitions))
        inner = re.sub(r"[\[\]!]", "", str(definitions[field].type))
        alias = self.random.choice(("", "", f"{field}2: "))
        composite = inner in ("Node", "Item", *OBJECTS)
        if composite and not depth:
            return "__typename"
        below = f" {self.selection(inner, depth - 1)}" if composite else ""
        return f"{alias}{field}{directive}{below}"

    def operation(self) -> str:
        while True:
            self.fragments = []
            body = self.selection("Query", 5)
            text = "\n".join((body, *self.fragments))
            used = [f"${name}: Boolean!" for name in VARIABLES if f"${name}" in text]
            source = f"query({', '.join(used)}) {text}" if used else f"query {text}"
            if not validate(STRICT, parse(source)):
                return source


def resolve(source: Any, info: Any, **_: Any) -> Any:
    value = source.get(info.field_name)
    if isinstance(value, Exception):
        raise value
    return value


def type_of(value: Any, _info: Any, _kind: Any) -> Any:
    return value["__typename"]


def truth(schema: GraphQLSchema, source: str, data: Any) -> Any:
    result = execute_sync(
        schema, parse(source), data, variable_values=VARIABLES, field_resolver=resolve, type_resolver=type_of
    )
    return result.formatted


def with_typenames(source: str) -> str:
    """As a planner would: the type of each object is asked for under its own key."""
    return re.sub(r"\{ (?!\()", "{ __typename ", source)


def ordered(value: Any) -> Any:
    """Key order counts."""
    if isinstance(value, dict):
        return [(key, ordered(item)) for key, item in value.items()]
    return [ordered(item) for item in value] if isinstance(value, list) else value


def is_null_at(data: Any, path: list[Any]) -> bool:
    for key in path:
        if data is None:
            return True
        data = data[key]
    return data is None


@pytest.mark.parametrize("first", range(0, 300, 50))
async def test_equals_the_reference(first: int) -> None:
    for seed in range(first, first + 50):
        maker = Maker(seed)
        data = maker.fields("Query", 4)
        source = maker.operation()
        expected = truth(STRICT, source, data)
        client = SchemaClient("all", LOOSE, root_value=data, field_resolver=resolve, type_resolver=type_of)
        plan = Plan("query", fetch_of(1, "all", with_typenames(source), variables=("yes", "no")))
        operation = operation_of(STRICT, source)
        result = (await execute(plan, operation, VARIABLES, runtime_of({"all": client}, max_errors=10_000))).to_json()
        assert ordered(result["data"]) == ordered(expected["data"]), (seed, source)
        ours = [error["path"] for error in result.get("errors", ())]
        theirs = [error["path"] for error in expected.get("errors", ())]
        assert all(path in ours for path in theirs), (seed, source, ours, theirs)
        # Errors that graphql-core doesn't report lie beside a null that propagated: it stops there.
        assert all(is_null_at(result["data"], path) for path in ours), (seed, source)
        assert bool(ours) == bool(theirs), (seed, source)
