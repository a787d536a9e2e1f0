"""Executable directives of the client's: subgraphs get those that the supergraph knows, where they stood."""

import json

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from gateway.tests.planner.support import fetches_of
from gateway.tests.support.executing import execute
from gateway.tests.support.runtimes import runtime_of
from gateway.tests.support.world import World

LINK = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key"])
directive @trace(name: String) repeatable on FIELD | QUERY | INLINE_FRAGMENT | FRAGMENT_SPREAD
directive @writes on MUTATION
directive @spread on FRAGMENT_SPREAD
"""


@pytest.fixture(scope="module")
def supergraph() -> Supergraph:
    one = LINK + 'type Query { t: T } type Mutation { m: T } type T @key(fields: "id") { id: ID! x: Int }'
    composed = compose(
        [Subgraph("a", one), Subgraph("b", LINK + 'type T @key(fields: "id") { id: ID! y: Int z: Int }')]
    )
    assert composed.supergraph_sdl is not None, composed.errors
    return Supergraph.from_sdl(composed.supergraph_sdl)


CASES = {
    "fields": ("{ t { x @trace y @trace(name: $n) } }", ["{ t { __typename x @trace id } }", "y @trace(name: $n)"]),
    "operation": ('query @trace(name: "q") { t { y } }', ['query @trace(name: "q") {', '_Any!]!) @trace(name: "q") {']),
    "operation with a variable": ("query @trace(name: $n) { t { y } }", ["($n: String) @trace", "$n: String) @trace"]),
    "another kind's": ("mutation @writes { m { y } }", ["mutation @writes {", "query($representations: [_Any!]!) {"]),
    "inline fragments": (
        "{ t { ... @trace { x ... on T @trace(name: $n) { y } } } }",
        ["... @trace { x }", "... @trace { ... @trace(name: $n) { y } }"],
    ),
    "spreads": ("{ t { ...F @trace @spread } } fragment F on T { x z }", ["... @trace { x }", "... @trace { z }"]),
    "with conditions": (
        "{ t { ... @trace @include(if: $on) { x y } } }",
        ["... @trace { x @include(if: $on) }", "... @trace { y }"],
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_reaches_subgraphs(supergraph: Supergraph, case: str) -> None:
    text, expected = CASES[case]
    if "$" in text:
        head = "query(" + ", ".join(v for v in ("$n: String", "$on: Boolean!") if v.split(":")[0] in text) + ")"
        text = head + text.removeprefix("query")
    operation = prepare(supergraph.api_schema, text)
    plan = build_plan(supergraph, operation)
    operations = [" ".join(fetch.operation.split()) for fetch in fetches_of(plan.node)]
    assert len(operations) == len(expected)
    for found, part in zip(operations, expected, strict=True):
        assert part in found
        assert "@spread" not in found
    variables = coerce_variables(operation, {"n": "x", "on": True} if "$" in text else {})
    world = World(supergraph)
    result = await execute(plan, operation, variables, runtime_of(world.clients()))
    assert json.loads(result.to_bytes()) == {"data": world.monolith(text, variables).data}
