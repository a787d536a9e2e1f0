"""Progressive overrides: who decides labels, how often, and what operations are kept under."""

import asyncio
import re
from collections.abc import Collection
from typing import Any

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.config import EngineConfig
from botberi_gateway.engine import Gateway, GraphQLRequest, RequestContext
from botberi_gateway.planner import build_plan
from botberi_gateway.query_graph import open_labels
from botberi_gateway.supergraph import Supergraph
from gateway.tests.executor.scripted import Scripted

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key", "@override"])\n'
OLD = LINK + "type Query { a: String b: String c: String always: String never: String plain: String }"
NEW = (
    LINK
    + """type Query {
      a: String @override(from: "old", label: "percent(20)")
      b: String @override(from: "old", label: "percent(60.5)")
      c: String @override(from: "old", label: "feature-x")
      always: String @override(from: "old", label: "percent(100)")
      never: String @override(from: "old", label: "percent(0)")
    }"""
)


@pytest.fixture(scope="module")
def supergraph() -> Supergraph:
    composed = compose([Subgraph("old", OLD), Subgraph("new", NEW)])
    assert composed.supergraph is not None, composed.errors
    return composed.supergraph


class Resolver:
    """Switches `feature-x` on for those who say so."""

    def __init__(self) -> None:
        self.asked: list[frozenset[str]] = []

    async def active(self, labels: frozenset[str], context: RequestContext) -> Collection[str]:
        self.asked.append(labels)
        return ["feature-x", "percent(20)", "another"] if context.subject == "tester" else []


def gateway(supergraph: Supergraph, **options: Any) -> Gateway:
    def answer(name: str) -> Scripted:
        return Scripted([lambda request: {"data": dict.fromkeys(re.findall(r"\w+", request.operation), name)}])

    return Gateway(supergraph, {name: answer(name) for name in ("old", "new")}, **options)


async def ask(gateway: Gateway, fields: str, context: RequestContext | None = None) -> Any:
    result = await gateway.execute(GraphQLRequest(f"{{ {fields} }}"), context)
    assert not result.errors
    return result.data


def test_labels_that_are_open(supergraph: Supergraph) -> None:
    assert open_labels(supergraph) == {"percent(20)", "percent(60.5)", "feature-x"}


def test_plans_follow_the_active_labels(supergraph: Supergraph) -> None:
    one = build_plan(supergraph, "{ c }", labels=frozenset(["feature-x"])).to_json()["node"]["serviceName"]
    other = build_plan(supergraph, "{ c }").to_json()["node"]["serviceName"]
    assert (one, other) == ("new", "old")
    assert build_plan(supergraph, "{ always }").to_json()["node"]["serviceName"] == "new"
    assert (
        build_plan(supergraph, "{ never }", labels=frozenset(["percent(20)"])).to_json()["node"]["serviceName"] == "old"
    )


async def test_percentages_follow_the_key(supergraph: Supergraph) -> None:
    here = gateway(supergraph)
    counts = {"a": 0, "b": 0}
    for number in range(500):
        data = await ask(here, "a b", RequestContext(rollout_key=f"caller {number}"))
        assert (data["a"], data["b"]) != ("new", "old"), "who is in the fewer is in the more too"
        again = await ask(here, "b a", RequestContext(subject=f"caller {number}"))
        assert again == data
        for name in counts:
            counts[name] += data[name] == "new"
    assert 70 <= counts["a"] <= 130
    assert 260 <= counts["b"] <= 345
    assert here.cached_operations == 6, "two documents, three sets of labels"
    await here.aclose()


async def test_percentages_without_a_key_are_by_chance(supergraph: Supergraph) -> None:
    here = gateway(supergraph)
    found = [(await ask(here, "b"))["b"] for _ in range(100)]
    assert 35 <= found.count("new") <= 85
    await here.aclose()


async def test_named_labels_are_the_resolvers(supergraph: Supergraph) -> None:
    resolver = Resolver()
    here = gateway(supergraph, labels=resolver)
    assert await ask(here, "c") == {"c": "old"}
    assert await ask(here, "c", RequestContext(subject="tester", rollout_key="x")) == {"c": "new"}
    assert await ask(here, "always never") == {"always": "new", "never": "old"}
    assert resolver.asked == [frozenset(["feature-x"])] * 3
    assert await ask(gateway(supergraph), "c", RequestContext(subject="tester")) == {"c": "old"}


@pytest.mark.parametrize("slow", [True, False])
async def test_a_resolver_that_fails_leaves_its_labels_off(
    supergraph: Supergraph, slow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def active(self, labels: frozenset[str], context: RequestContext) -> Collection[str]:
            if slow:
                await asyncio.sleep(60)
            raise ConnectionError("flags")

    here = gateway(supergraph, labels=Broken(), config=EngineConfig(label_timeout_seconds=0.05))
    assert await ask(here, "c") == {"c": "old"}
    assert "feature-x stay off" in caplog.text


async def test_a_graph_without_labels_asks_no_resolver() -> None:
    composed = compose([Subgraph("one", "type Query { a: String }")])
    assert composed.supergraph is not None
    resolver = Resolver()
    here = Gateway(composed.supergraph, {"one": Scripted([{"data": {"a": "x"}}])}, labels=resolver)
    assert await ask(here, "a") == {"a": "x"}
    assert resolver.asked == []
