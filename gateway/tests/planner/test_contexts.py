"""`@context` and `@fromContext`: composed by us, planned, executed over made-up data.

The answer is a monolith's that looks above itself.
"""

import json
from typing import Any

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.errors import PlanningError, RequestError
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from gateway.tests.executor.scripted import Scripted
from gateway.tests.planner.support import fetches_of
from gateway.tests.support.executing import execute
from gateway.tests.support.random_operations import random_operation
from gateway.tests.support.runtimes import runtime_of
from gateway.tests.support.world import World

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.8", '
    'import: ["@key", "@context", "@fromContext", "@external", "@shareable", "@requires"])\n'
)
U_OF_2 = 'type Query { a: Int! } type U @key(fields: "id") { id: ID! other: String }'


def composed(*subgraphs: str) -> Supergraph:
    result = compose([Subgraph(f"Subgraph{n}", LINK + sdl) for n, sdl in enumerate(subgraphs, 1)])
    assert result.supergraph_sdl is not None, result.errors
    return Supergraph.from_sdl(result.supergraph_sdl)


SAME = composed(
    """
    type Query { t: T! ts: [T!]! }
    type T @key(fields: "id") @context(name: "context") { id: ID! u: U! us: [[U!]!]! prop: String! maybe: String }
    type U @key(fields: "id") {
      id: ID! b: String! t: T!
      field(a: String @fromContext(field: "$context { prop }"), c: Int): Int!
      loose(a: String @fromContext(field: "$context { maybe }")): Int
      deep(a: String @fromContext(field: "$context { u { b } }")): U!
    }
    """,
    U_OF_2,
)
ELSEWHERE = composed(
    """
    type Query { t: T! ts: [T] }
    type T @key(fields: "id") @context(name: "context") { id: ID! u: U! prop: String! @external }
    type U @key(fields: "id") { id: ID! field(a: String @fromContext(field: "$context { prop }")): Int! }
    """,
    """
    type Query { a: Int! }
    type T @key(fields: "id") { id: ID! prop: String! }
    type U @key(fields: "id") { id: ID! }
    """,
)
KEYED = composed(
    """
    type Query { t: T ts: [T] }
    type T @key(fields: "id") { id: ID! prop: String! @shareable box: Box }
    type Box { u: U us: [U!] }
    type U @key(fields: "id") { id: ID! }
    """,
    """
    type T @key(fields: "id") @context(name: "context") { id: ID! prop: String! @shareable far: String! u: U! }
    type U @key(fields: "id") {
      id: ID! field(a: String @fromContext(field: "$context { prop }")): String
      remote(a: String @fromContext(field: "$context { far }")): String
    }
    """,
)
KINDS = composed(
    """
    type Query { i: [I!]! x: [X!]! }
    interface I @context(name: "one") { id: ID! u: U! prop: String! }
    type A implements I @key(fields: "id") { id: ID! u: U! prop: String! own: String! }
    type B implements I @key(fields: "id") { id: ID! u: U! prop: String! }
    union X @context(name: "two") = A | B
    type U @key(fields: "id") {
      id: ID!
      one(a: String @fromContext(field: "$one { prop }")): Int!
    }
    """,
    U_OF_2,
)
UNION = composed(
    """
    type Query { x: [X!]! }
    union X @context(name: "two") = A | B
    type A @key(fields: "id") { id: ID! u: U! prop: String! }
    type B @key(fields: "id") { id: ID! u: U! text: String! }
    type U @key(fields: "id") {
      id: ID!
      two(a: String @fromContext(field: "$two ... on A { prop } ... on B { text }")): Int!
    }
    """,
    U_OF_2,
)
ROOT = composed(
    """
    type Query @context(name: "top") { me: User! product: Product products: [Product!]! }
    type User @key(fields: "id") { id: ID! locale: String! }
    type Product @key(fields: "id") { id: ID! price(locale: String @fromContext(field: "$top { me { locale } }")): Int! next: Product }
    """,
    'type Query { random: ID! } type Product @key(fields: "id") { id: ID! }',
)
NESTED = composed(
    """
    type Query { outer: Outer! }
    type Outer @key(fields: "id") @context(name: "c") { id: ID! prop: String! inner: [Inner!]! mid: Mid! }
    type Inner @key(fields: "id") @context(name: "c") { id: ID! prop: String! mid: Mid! }
    type Mid @key(fields: "id") { id: ID! leaf: [Leaf!]! }
    type Leaf @key(fields: "id") {
      id: ID! name: String @external
      value(a: String @fromContext(field: "$c { prop }")): Int!
      both(a: String @fromContext(field: "$c { prop }")): Int! @requires(fields: "name")
    }
    """,
    'type Query { a: Int! } type Leaf @key(fields: "id") { id: ID! name: String }',
)

CASES: list[tuple[str, Supergraph, str, tuple[int, int]]] = [
    ("same subgraph", SAME, "{ t { u { b field } } }", (2, 2)),
    ("a client's argument beside it", SAME, "{ t { u { field(c: 3) x: field(c: 4) y: field } } }", (2, 2)),
    ("lists", SAME, "{ ts { us { b field } } }", (2, 2)),
    ("two fields of unequal contexts", SAME, "{ ts { id us { field loose } } }", (2, 2)),
    ("two places", SAME, "{ ts { u { field } } t { us { loose } u { field } } }", (2, 2)),
    ("below a contextual field", SAME, "{ ts { u { deep { b field } } } }", (2, 2)),
    ("the nearest", SAME, "{ ts { u { t { u { field } } } } }", (2, 2)),
    ("with other fields of other subgraphs", SAME, "{ ts { u { field other b } } }", (3, 2)),
    ("prop is the client's alias of another field", SAME, "{ ts { prop: maybe u { field } } }", (2, 2)),
    ("from another subgraph", ELSEWHERE, "{ t { u { id field } } }", (3, 3)),
    ("from another subgraph, lists", ELSEWHERE, "{ ts { u { id field } } }", (3, 3)),
    ("an entity that came by its key", KEYED, "{ t { u { field } } }", (2, 2)),
    ("set by a subgraph that isn't on the way", KEYED, "{ ts { box { us { field } } } }", (2, 2)),
    ("both, of a value that no subgraph on the way has", KEYED, "{ ts { u { field } box { us { remote } } } }", (3, 3)),
    ("an interface", KINDS, "{ i { u { one } } }", (2, 2)),
    ("an interface's types", KINDS, "{ i { ... on A { own u { one } } ... on B { u { one } } } }", (2, 2)),
    ("one type of an interface", KINDS, "{ i { ... on A { u { one } } } }", (2, 2)),
    ("a union", UNION, "{ x { ... on A { u { two } } ... on B { u { two } } } }", (2, 2)),
    ("one type of a union", UNION, "{ x { ... on B { u { two } } } }", (2, 2)),
    ("the root", ROOT, "{ product { price } }", (2, 2)),
    ("the root, from afar", ROOT, "{ products { next { next { price } } } me { id } }", (2, 2)),
    ("set twice above", NESTED, "{ outer { mid { leaf { value } } inner { mid { leaf { value } } } } }", (2, 2)),
    ("with @requires", NESTED, "{ outer { inner { mid { leaf { both value } } } } }", (3, 3)),
]


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize(("supergraph", "query", "shape"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
async def test_answers_as_the_monolith(supergraph: Supergraph, query: str, shape: tuple[int, int], nulls: bool) -> None:
    world = World(supergraph, nulls=nulls)
    operation = prepare(supergraph.api_schema, query)
    plan = build_plan(supergraph, operation)
    truth = world.monolith(query)
    assert not truth.errors, truth.errors
    clients = world.clients()
    result = await execute(plan, operation, {}, runtime_of(clients))
    assert json.loads(result.to_bytes()) == {"data": truth.data}, plan
    assert (plan.fetch_count, plan.depth) == shape, plan
    assert sum(len(client.requests) for client in clients.values()) <= plan.fetch_count


async def requests_of(supergraph: Supergraph, query: str, variables: dict[str, Any] | None = None) -> list[Any]:
    """(operation, variables) of each request; the answer is right."""
    world = World(supergraph, nulls=False)
    operation = prepare(supergraph.api_schema, query)
    clients = world.clients()
    coerced = coerce_variables(operation, variables or {})
    result = await execute(build_plan(supergraph, operation), operation, coerced, runtime_of(clients))
    assert json.loads(result.to_bytes()) == {"data": world.monolith(query, variables).data}
    return [(request.operation, request.variables) for client in clients.values() for request in client.requests]


async def test_one_value_is_one_variable() -> None:
    _, (operation, variables) = await requests_of(SAME, "query Q { t { us { field } } }")
    assert operation == (
        "query Q__Subgraph1__1($representations: [_Any!]!, $contextualArgument_1_0: String) "
        "{ _entities(representations: $representations) { ... on U { field(a: $contextualArgument_1_0) } } }"
    )
    assert variables.keys() == {"representations", "contextualArgument_1_0"}


async def test_values_that_differ_repeat_the_field_in_one_request() -> None:
    _, (operation, variables) = await requests_of(SAME, "query Q($c: Int) { ts { us { field(c: $c) } } }", {"c": 1})
    assert " ".join(operation.split()) == (
        "query Q__Subgraph1__1($representations_0: [_Any!]!, $representations_1: [_Any!]!, "
        "$contextualArgument_1_0_0: String, $contextualArgument_1_0_1: String, $c: Int) { "
        "_entities_0: _entities(representations: $representations_0) "
        "{ ... on U { field(c: $c, a: $contextualArgument_1_0_0) } } "
        "_entities_1: _entities(representations: $representations_1) "
        "{ ... on U { field(c: $c, a: $contextualArgument_1_0_1) } } }"
    )
    assert variables["contextualArgument_1_0_0"] != variables["contextualArgument_1_0_1"]


async def test_names_that_the_client_uses() -> None:
    query = """
      query($representations: Int, $contextualArgument_1_0: Int, $contextualArgument_1_1_0: Int) {
        ts { us { a: field(c: $representations) b: field(c: $contextualArgument_1_0) c: field(c: $contextualArgument_1_1_0) } }
      }
    """
    await requests_of(SAME, query, {"representations": 1, "contextualArgument_1_0": 2, "contextualArgument_1_1_0": 3})


@pytest.mark.parametrize("on", [True, False])
async def test_what_is_skipped_needs_no_context(on: bool) -> None:
    query = "query($on: Boolean!) { t { id u @include(if: $on) { id field } } }"
    assert len(await requests_of(ELSEWHERE, query, {"on": on})) == (3 if on else 1)


def test_prints_rewrites_as_apollo_does() -> None:
    plan = build_plan(KINDS, "{ i { u { one } } }")
    node = plan.to_json()["node"]["nodes"][1]["node"]
    assert node["contextRewrites"] == [
        {"kind": "KeyRenamer", "path": ["..", f"... on {name}", "prop"], "renameKeyTo": "contextualArgument_1_0"}
        for name in ("A", "B")
    ]
    fetch = list(fetches_of(plan.node))[1]
    assert fetch.reasons == ("for U.one", "U.one takes 'a' from Subgraph1__one { prop }")


def test_a_place_where_nothing_sets_the_context() -> None:
    broken = Supergraph.from_sdl(SAME.to_sdl().replace('@context(name: "Subgraph1__context")', ""))
    with pytest.raises(PlanningError, match=r"No subgraph gives U.field at 't.u' \(nothing above it sets the context"):
        build_plan(broken, "{ t { u { field } } }")


async def answers(supergraph: Supergraph, query: str, *given: Any) -> Any:
    operation = prepare(supergraph.api_schema, query)
    clients = {"Subgraph1": Scripted(list(given)), "Subgraph2": Scripted([{"errors": [{"message": "down"}]}])}
    return (await execute(build_plan(supergraph, operation), operation, {}, runtime_of(clients))).to_json()


async def test_entities_whose_context_is_missing_are_left_out() -> None:
    first = {"data": {"ts": [{"__typename": "T", "id": "1", "u": {"__typename": "U", "id": "2"}}]}}
    answer = await answers(ELSEWHERE, "{ ts { u { field } } }", first, AssertionError("not asked"))
    assert answer["data"] == {"ts": [None]}
    # What took the value away is what the client hears of.
    assert [(e["path"], e["extensions"]["code"]) for e in answer["errors"]] == [
        (["ts", 0, "u", "field"], "DOWNSTREAM_SERVICE_ERROR")
    ]


async def test_errors_of_copies_are_reported_where_their_entities_are() -> None:
    things = [
        {"__typename": "T", "id": n, "prop": f"p{n}", "u": {"__typename": "U", "id": "7"}} for n in ("1", "2", "3")
    ]
    things[2]["prop"] = "p1"
    entities = {"_entities_0": [{"loose": 1}], "_entities_1": [{"loose": None}]}
    error = {"message": "no", "path": ["_entities_1", 0, "loose"]}
    answer = await answers(
        SAME,
        "{ ts { u { loose } } }",
        {"data": {"ts": [{**t, "maybe": t["prop"]} for t in things]}},
        {"data": entities, "errors": [error]},
    )
    assert answer["data"] == {"ts": [{"u": {"loose": 1}}, {"u": {"loose": None}}, {"u": {"loose": 1}}]}
    assert [(e["message"], e["path"]) for e in answer["errors"]] == [("no", ["ts", 1, "u", "loose"])]


GRAPHS = {
    "same": SAME,
    "elsewhere": ELSEWHERE,
    "keyed": KEYED,
    "kinds": KINDS,
    "union": UNION,
    "root": ROOT,
    "nested": NESTED,
}


@pytest.mark.parametrize("name", GRAPHS)
async def test_random_operations(name: str) -> None:
    supergraph = GRAPHS[name]
    world = World(supergraph)
    compared = 0
    for seed in range(25):
        document, variables = random_operation(supergraph.api_schema, seed)
        try:
            operation = prepare(supergraph.api_schema, document, None, UNLIMITED)
        except RequestError:
            continue  # aliases that conflict
        truth = world.monolith(document, variables)
        plan = build_plan(supergraph, operation)
        result = await execute(plan, operation, variables, runtime_of(world.clients()))
        answer = json.loads(result.to_bytes())
        assert json.dumps(answer) == json.dumps({"data": truth.data}), f"seed {seed}: {document}\n{plan}"
        compared += 1
    assert compared > 10
