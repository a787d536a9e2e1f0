"""`@eventSource` from SDL to results: our composition, planner and executor over two subgraphs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.planner import build_plan
from botberi_gateway.subscriptions import Events, SourceEvent, Subscriber, subscribe
from botberi_gateway.subscriptions.router import EventRouter
from botberi_gateway.upstream import SubgraphRequest
from gateway.tests.executor.scripted import Scripted
from gateway.tests.support.runtimes import runtime_of

FEDERATION = '@link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@composeDirective"])'
JOBS = f"""
  extend schema {FEDERATION}
    @link(url: "https://specs.botberi.dev/events/v1.0", import: ["@eventSource"])
    @composeDirective(name: "@eventSource")
  directive @eventSource(
    topics: [String!]! where: [String!]! = [] version: String until: String snapshot: Boolean! = false
  ) on FIELD_DEFINITION
  type Query {{ job(id: ID!): Job }}
  type Subscription {{
    jobUpdated(id: ID!): Job
      @eventSource(topics: ["job.*"], where: ["id=$id"], version: "version", until: "done", snapshot: true)
  }}
  type Job @key(fields: "id") {{ id: ID! status: String version: Int! done: Boolean! }}
"""
COSTS = f"""
  extend schema {FEDERATION}
  type Job @key(fields: "id") {{ id: ID! cost: Float }}
  type Query {{ total: Float }}
"""


class Bus:
    """An event source with events that wait for the subscription."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    @asynccontextmanager
    async def follow(self, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[SourceEvent]]:
        async def events() -> AsyncIterator[SourceEvent]:
            for id in self.ids:
                await asyncio.sleep(0.02)
                yield SourceEvent("job.updated", {"id": id}, {"id": id})
            await asyncio.sleep(60)

        yield events()


def aliases(request: SubgraphRequest, values: dict[str, Any]) -> dict[str, Any]:
    """The entity as the operation's selection asks for it: `key: field` or `field`."""
    text = request.operation.split("... on Job {")[1].split("}")[0]
    words = text.replace(": ", ":").split()
    return {word.split(":")[0]: values[word.split(":")[-1]] for word in words}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("{ status cost }", [{"status": "s1", "cost": 1.5}, {"status": "s2", "cost": 1.5}]),
        ("{ id }", [{"id": "7"}, {"id": "7"}]),
        ("{ id: status key: id }", [{"id": "s1", "key": "7"}, {"id": "s2", "key": "7"}]),
        ("{ version: status done: cost }", [{"version": "s1", "done": 1.5}, {"version": "s2", "done": 1.5}]),
        ("{ id: status }", [{"id": "s1"}, {"id": "s2"}]),
        ("{ id: version a: id b: id }", [{"id": 1, "a": "7", "b": "7"}, {"id": 2, "a": "7", "b": "7"}]),
        ("{ ... on Job { id: cost } }", [{"id": 1.5}, {"id": 1.5}]),
        ("{ __typename version }", [{"__typename": "Job", "version": 1}, {"__typename": "Job", "version": 2}]),
    ],
)
async def test_snapshot_events_and_end(selection: str, expected: list[Any]) -> None:
    composed = compose([Subgraph("jobs", JOBS), Subgraph("costs", COSTS)])
    assert composed.ok, composed.errors
    assert composed.supergraph is not None
    source = f"subscription($id: ID!) {{ j: jobUpdated(id: $id) {selection} }}"
    operation = prepare(composed.supergraph.api_schema, source)
    plan = build_plan(composed.supergraph, operation)
    version = 0

    def job(request: SubgraphRequest) -> dict[str, Any]:
        nonlocal version
        version += 1
        assert request.variables["representations"] == [{"__typename": "Job", "id": "7"}]
        state = {"__typename": "Job", "id": "7", "status": f"s{version}", "version": version, "done": version == 2}
        return {"data": {"_entities": [aliases(request, state)]}}

    def costs(request: SubgraphRequest) -> dict[str, Any]:
        return {"data": {"_entities": [aliases(request, {"cost": 1.5})]}}

    runtime = runtime_of({"jobs": Scripted([job]), "costs": Scripted([costs])})
    subscriber = Subscriber(Events(EventRouter(Bus("8", "7", "7", "7"))))
    results = subscribe(plan, operation, coerce_variables(operation, {"id": "7"}), runtime, subscriber=subscriber)
    found = [result.to_json() async for result in results]
    ids = [{"eventId": str(number)} for number in (1, 2)]
    assert found == [{"data": {"j": data}, "extensions": id} for data, id in zip(expected, ids, strict=True)]
