"""The benchmark's subgraphs (a Go program) give graphql-core's answers over the same data to whatever is asked."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, build_ast_schema, get_named_type, is_leaf_type, parse, validate

from gateway.tests.support.random_operations import Generator
from lab.bench.gateway.graph import Graph
from lab.bench.gateway.graphs import own, public
from lab.bench.gateway.oracle import Oracle
from lab.bench.gateway.site import Site, served
from lab.bench.gateway.tools import go

pytestmark = pytest.mark.skipif(go() is None, reason="Go is not here: the benchmark's subgraphs can't be built")

GRAPHS = {"public": public.graph(), "own": own.graph()}
SUBGRAPHS = [(graph, name) for graph, made in GRAPHS.items() for name in made.subgraphs]
MACHINERY = """
scalar _Any
directive @key(fields: String!) repeatable on OBJECT | INTERFACE
directive @external on FIELD_DEFINITION
directive @requires(fields: String!) on FIELD_DEFINITION
directive @provides(fields: String!) on FIELD_DEFINITION
"""
OPERATIONS = 25


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    with ExitStack() as stack:
        folder: Path = tmp_path_factory.mktemp("subgraphs")
        yield {name: stack.enter_context(served(graph, folder / name, None)) for name, graph in GRAPHS.items()}


def ask(site: Site, subgraph: str, body: dict[str, Any]) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.request("POST", f"/{subgraph}", json.dumps(body), {"content-type": "application/json"})
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def schema_of(graph: Graph, name: str, entities: bool) -> GraphQLSchema:
    """The subgraph's own schema; with `entities` what federation adds to it."""
    world = graph.subgraphs[name]
    sdl = world.federation_1.replace("extend type", "type")
    if entities and world.tables:
        sdl += f"\nunion _Entity = {' | '.join(world.tables)}\n"
        field = "_entities(representations: [_Any!]!): [_Entity]!"
        sdl = (
            sdl.replace("type Query {", f"type Query {{ {field} ")
            if "type Query {" in sdl
            else f"{sdl} type Query {{ {field} }}"
        )
    return build_ast_schema(parse(MACHINERY + sdl), assume_valid_sdl=True)


def oracle_of(graph: Graph, name: str, schema: GraphQLSchema) -> Oracle:
    world = graph.subgraphs[name]
    return Oracle(schema, world.roots, world.tables)


def compare(answer: dict[str, Any], oracle: Oracle, query: str, variables: dict[str, Any]) -> None:
    expected = oracle.answer(query, variables)
    assert answer["data"] == expected.data, query
    assert json.dumps(answer["data"]) == json.dumps(expected.data), "the order of fields"
    errors = [(error["message"], error["path"]) for error in answer.get("errors", ())]
    assert errors == [(error.message, error.path) for error in expected.errors or ()]


@pytest.mark.parametrize(
    ("graph", "name"), [one for one in SUBGRAPHS if "Query" in GRAPHS[one[0]].subgraphs[one[1]].roots]
)
def test_random_operations_are_answered_as_graphql_core_answers_them(
    sites: dict[str, Site], graph: str, name: str
) -> None:
    schema = schema_of(GRAPHS[graph], name, entities=False)
    oracle = oracle_of(GRAPHS[graph], name, schema)
    compared = 0
    for seed in range(OPERATIONS):
        query, variables = Generator(schema, seed).operation()
        if validate(schema, parse(query)):
            continue
        compare(ask(sites[graph], name, {"query": query, "variables": variables}), oracle, query, variables)
        compared += 1
    assert compared > OPERATIONS // 3


@pytest.mark.parametrize(("graph", "name"), [one for one in SUBGRAPHS if GRAPHS[one[0]].subgraphs[one[1]].tables])
def test_entities_are_answered_by_their_representations(sites: dict[str, Site], graph: str, name: str) -> None:
    schema = schema_of(GRAPHS[graph], name, entities=True)
    oracle = oracle_of(GRAPHS[graph], name, schema)
    tables = GRAPHS[graph].subgraphs[name].tables
    representations: list[dict[str, Any]] = []
    fragments = ""
    for number, (kind, table) in enumerate(tables.items()):
        key = table["keys"][0]
        # What @requires asks for is in each; a gateway sends it where it is needed.
        needed = {f"v{step}": step + 3 for step in range(own.CHAIN)} if kind == "Link" else {}
        for row in [*table["rows"][:7], {key: "no such key"}]:
            representations.append({"__typename": kind, key: row[key], **needed})
        fields = schema.type_map[kind].fields.items()  # type: ignore[attr-defined]
        leaves = " ".join(
            f"x{number}{at}: {field}"
            for at, (field, one) in enumerate(fields)
            if is_leaf_type(get_named_type(one.type)) and not is_external(one)
        )
        fragments += f"... on {kind} {{ __typename {leaves} }} "
    query = f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ {fragments} }} }}"
    variables = {"r": representations}
    compare(ask(sites[graph], name, {"query": query, "variables": variables}), oracle, query, variables)


def is_external(field: Any) -> bool:
    """Such as aren't keys can only be provided, or are in representations."""
    return any(
        one.name.value == "external" for one in field.ast_node.directives or ()
    ) and field.ast_node.name.value not in (
        "id",
        "upc",
    )


def test_what_requires_needs_and_a_representation_lacks_is_an_error(sites: dict[str, Site]) -> None:
    query = '{ _entities(representations: [{__typename: "Link", id: "l1"}]) { ... on Link { v2 } } }'
    answer = ask(sites["own"], "chain2", {"query": query})
    assert answer == {
        "data": {"_entities": [{"v2": None}]},
        "errors": [{"message": "The representation has no v1.", "path": ["_entities", 0, "v2"]}],
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ users { id ", 'Syntax Error: expected a name, found "the end"'),
        ("{ nothing }", 'Cannot query field "nothing" on type "Query".'),
    ],
)
def test_nonsense_is_an_error(sites: dict[str, Site], query: str, message: str) -> None:
    assert message in json.dumps(ask(sites["public"], "accounts", {"query": query}), ensure_ascii=False).replace(
        '\\"', '"'
    )


def test_calls_are_counted(sites: dict[str, Site]) -> None:
    before = sites["public"].calls()
    for _ in range(3):
        ask(sites["public"], "accounts", {"query": "{ me { id } }"})
    assert sites["public"].calls() == before + 3


def test_a_query_may_come_in_the_address(sites: dict[str, Site]) -> None:
    connection = HTTPConnection("127.0.0.1", sites["public"].port, timeout=20)
    connection.request(
        "GET", "/accounts?query=query(%24i%3AID!)%7Buser(id%3A%24i)%7Bname%7D%7D&variables=%7B%22i%22%3A%222%22%7D"
    )
    assert json.loads(connection.getresponse().read()) == {"data": {"user": {"name": "Dotan Simha"}}}
    connection.close()
