"""Members of unions that not all candidates of a shared path know -> not asked for.

Null without an error, in every executor. Each folder of `unions/` is a graph with its subgraphs' data, and operations
with what a client gets and, where it says so, what no subgraph is asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLObjectType

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.executor import ExecutorKind, PendingForm, deliver
from botberi_gateway.operation import prepare
from botberi_gateway.plan import Defer
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream.schema import SchemaClient
from gateway.tests.support.executing import execute
from gateway.tests.support.incremental import Whole
from gateway.tests.support.runtimes import runtime_of
from lab.fuzzing.declared import SubgraphFacts

FOLDER = Path(__file__).parent / "unions"
LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external",'
    ' "@requires", "@override", "@interfaceObject"])\n'
)


@dataclass(frozen=True)
class Graph:
    """A folder."""

    name: str

    @property
    def case(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((FOLDER / self.name / "case.json").read_text())
        return found

    @property
    def subgraphs(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in sorted((FOLDER / self.name / "subgraphs").glob("*.graphql"))}

    def supergraph(self) -> Supergraph:
        made = compose([Subgraph(name, LINK + sdl) for name, sdl in self.subgraphs.items()])
        assert made.supergraph_sdl is not None, made.errors
        return Supergraph.from_sdl(made.supergraph_sdl)

    def clients(self) -> dict[str, SchemaClient]:
        return {name: _client(name, LINK + sdl, self.case["data"][name]) for name, sdl in self.subgraphs.items()}


def _client(name: str, sdl: str, data: Mapping[str, Any]) -> SchemaClient:
    """A subgraph that answers from a tree: an object's fields, and entities by type and key."""
    schema = SubgraphFacts(name, sdl).schema

    def field(source: Any, info: Any, **arguments: Any) -> Any:
        if info.field_name == "_entities":
            return [
                {"__typename": one["__typename"], **data[one["__typename"]][one["id"]]}
                for one in arguments["representations"]
            ]
        value = (source or data).get(info.field_name)
        return GraphQLError(value["error"]) if isinstance(value, dict) and "error" in value else value

    def kind(value: Any, *_: Any) -> str:
        found = value["__typename"]
        assert isinstance(schema.type_map[found], GraphQLObjectType)
        return str(found)

    return SchemaClient(name, schema, field_resolver=field, type_resolver=kind)


CASES = [
    pytest.param(Graph(folder.name), number, id=f"{folder.name}-{number}")
    for folder in sorted(FOLDER.iterdir())
    for number in range(len(Graph(folder.name).case["operations"]))
]


@pytest.mark.parametrize(("graph", "number"), CASES)
async def test_what_a_client_gets(graph: Graph, number: int) -> None:
    """By compiled code and the interpreter, which are held equal byte for byte; what is deferred, put together."""
    wanted = graph.case["operations"][number]
    supergraph = graph.supergraph()
    operation = prepare(supergraph.api_schema, wanted["query"])
    plan = build_plan(supergraph, operation)
    for text in wanted.get("no_subgraph_is_asked_for", ()):
        assert text not in str(plan), plan
    runtime = runtime_of(graph.clients(), executor=ExecutorKind.BOTH)
    if isinstance(plan.node, Defer):
        form, whole = PendingForm(), Whole()
        async for payload in deliver(plan, operation, {}, runtime):
            whole.read(form.json(payload))
        assert (whole.data, whole.errors) == (wanted["data"], [])
    result = json.loads((await execute(plan, operation, {}, runtime)).to_bytes())
    assert result == {"data": wanted["data"]}
    assert not runtime.environment.statistics.bail_outs
