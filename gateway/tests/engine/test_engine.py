"""The engine: caches, shared planning, swaps of the supergraph, streams."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from botberi_gateway import errors
from botberi_gateway.config import EngineConfig
from botberi_gateway.engine import (
    CompositionError,
    Gateway,
    GraphQLRequest,
    RequestContext,
    SubgraphSource,
    fetch_sdl,
    planning,
)
from botberi_gateway.engine import gateway as gateway_module
from botberi_gateway.errors import GatewayError, RequestError, SubgraphError
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream.port import SubgraphClient, SubgraphRequest, SubgraphResponse
from gateway.tests.support.toy_graph import ACCOUNTS, REVIEWS, SUPERGRAPH, World, clients, federated_sdl, toy_gateway


async def test_one_query_over_two_subgraphs() -> None:
    gateway = toy_gateway()
    result = await gateway.execute(GraphQLRequest("{ me { name reviews { body author { name } } } }"))
    assert result.to_json() == {
        "data": {"me": {"name": "Ada", "reviews": [{"body": "fine", "author": {"name": "Ada"}}]}}
    }
    await gateway.aclose()


async def test_a_prepared_operation_is_prepared_once() -> None:
    gateway = toy_gateway()
    first = await gateway.prepare("{ hello }")
    assert await gateway.prepare("{ hello }") is first
    assert (gateway.cache_statistics.hits, gateway.cache_statistics.misses, gateway.cached_operations) == (1, 1, 1)


async def test_the_operation_name_is_part_of_the_key() -> None:
    gateway = toy_gateway()
    document = "query A { hello } query B { whoami }"
    assert (await gateway.execute(GraphQLRequest(document, "A"))).data == {"hello": "hello world"}
    assert (await gateway.execute(GraphQLRequest(document, "B"))).data == {"whoami": None}


async def test_the_cache_is_bounded_by_number_and_by_size() -> None:
    gateway = toy_gateway(config=EngineConfig(max_cached_operations=3))
    for number in range(6):
        await gateway.prepare(f"{{ a{number}: hello }}")
    assert gateway.cached_operations == 3
    await gateway.prepare("{ a5: hello }")
    assert gateway.cache_statistics.hits == 1
    gateway = toy_gateway(config=EngineConfig(max_cache_bytes=15_000))
    for number in range(6):
        await gateway.prepare(f"{{ a{number}: hello }} #{'x' * 40}")
    assert gateway.cached_operations == 1


async def test_what_was_used_last_stays() -> None:
    gateway = toy_gateway(config=EngineConfig(max_cached_operations=2))
    for query in ("{ a: hello }", "{ b: hello }", "{ a: hello }", "{ c: hello }"):
        await gateway.prepare(query)
    misses = gateway.cache_statistics.misses
    await gateway.prepare("{ a: hello }")
    assert gateway.cache_statistics.misses == misses


@pytest.fixture
def slow_planning(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Planning waits for the event."""
    gate = threading.Event()

    def waiting(*args: Any, **options: Any) -> Any:
        gate.wait(10)
        return build_plan(*args, **options)

    monkeypatch.setattr(planning, "build_plan", waiting)
    return gate


async def test_equal_operations_are_planned_once_and_the_loop_stays_free(slow_planning: threading.Event) -> None:
    gateway = toy_gateway()
    tasks = [asyncio.create_task(gateway.execute(GraphQLRequest("{ hello }"))) for _ in range(20)]
    await asyncio.sleep(0.05)
    tasks[0].cancel()
    slow_planning.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(not isinstance(r, BaseException) and r.data == {"hello": "hello world"} for r in results[1:])
    assert gateway.cached_operations == 1


async def test_planning_has_a_deadline_and_a_bounded_backlog(slow_planning: threading.Event) -> None:
    gateway = toy_gateway(config=EngineConfig(planning_timeout_seconds=0.05, max_planning_backlog=2))
    for query in ("{ a: hello }", "{ b: hello }"):
        with pytest.raises(GatewayError) as late:
            await gateway.prepare(query)
        assert late.value.code == "LIMIT_EXCEEDED"
    with pytest.raises(GatewayError) as full:
        await gateway.prepare("{ c: hello }")
    assert full.value.code == "OVERLOADED"
    slow_planning.set()
    while gateway.cached_operations < 2:  # noqa: ASYNC110 - the threads have no event for it
        await asyncio.sleep(0.01)
    assert (await gateway.execute(GraphQLRequest("{ c: hello }"))).data == {"c": "hello world"}


async def test_all_who_wait_get_a_failure_and_not_kept() -> None:
    gateway = toy_gateway()
    found = await asyncio.gather(*(gateway.prepare("{ nothing }") for _ in range(5)), return_exceptions=True)
    assert all(isinstance(error, RequestError) for error in found)
    assert gateway.cached_operations == 0
    assert gateway.cache_statistics.failures == 1


class Gated:
    """A client whose answers wait."""

    def __init__(self, client: SubgraphClient) -> None:
        self.client, self.gate, self.closed = client, asyncio.Event(), False

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        await self.gate.wait()
        assert not self.closed
        return await self.client.execute(request)

    def subscribe(self, request: SubgraphRequest) -> Any:
        return self.client.subscribe(request)

    async def aclose(self) -> None:
        self.closed = True


async def test_an_operation_ends_on_the_graph_it_began_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "_IDLE_CHECK_SECONDS", 0.01)
    old = {name: Gated(client) for name, client in clients().items()}
    world = World()
    world.name = "Grace"
    new = clients(world)
    gateway = Gateway(Supergraph.from_sdl(SUPERGRAPH), old)
    running = asyncio.create_task(gateway.execute(GraphQLRequest("{ me { name } }")))
    await asyncio.sleep(0.05)
    await gateway.replace(Supergraph.from_sdl(SUPERGRAPH), new)
    assert (await gateway.execute(GraphQLRequest("{ me { name } }"))).data == {"me": {"name": "Grace"}}
    assert not old["accounts"].closed
    for client in old.values():
        client.gate.set()
    assert (await running).data == {"me": {"name": "Ada"}}
    await asyncio.sleep(0.05)
    assert old["accounts"].closed
    assert not new["accounts"].closed
    await gateway.aclose()
    assert new["accounts"].closed


async def test_swaps_under_load_fail_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "_IDLE_CHECK_SECONDS", 0.01)
    supergraph = Supergraph.from_sdl(SUPERGRAPH)
    generations = [World() for _ in range(26)]
    for number, world in enumerate(generations):
        world.name = str(number)
    made = [clients(world) for world in generations]
    gateway = Gateway(supergraph, made[0])
    seen: list[str] = []
    stop = False

    async def load(which: int) -> None:
        count = 0
        while not stop:
            count += 1
            # New documents, so that swaps happen while they are planned.
            result = await gateway.execute(
                GraphQLRequest(f"{{ me {{ name again{which}x{count}: name reviews {{ author {{ name }} }} }} }}")
            )
            assert result.data is not None
            assert not result.errors
            me = result.data["me"]
            assert {me["name"], me["reviews"][0]["author"]["name"]} == {me["name"]}, "two supergraphs in one answer"
            seen.append(me["name"])

    tasks = [asyncio.create_task(load(which)) for which in range(3)]
    for table in made[1:]:
        await gateway.replace(supergraph, table)
        await asyncio.sleep(0.01)
    stop = True
    await asyncio.gather(*tasks)
    assert len(set(seen)) > 5
    await asyncio.sleep(0.1)
    assert [table["accounts"].closed for table in made] == [True] * 25 + [False]


async def test_a_subscription_lives_on_over_a_swap_while_it_is_valid() -> None:
    gateway = toy_gateway()
    results = await gateway.subscribe(GraphQLRequest("subscription { count(to: 3, every: 0.01) }"))
    seen = [(await anext(results)).data]
    await gateway.replace(Supergraph.from_sdl(SUPERGRAPH.replace("failing: Int", "")))
    seen += [result.data async for result in results]
    assert seen == [{"count": 1}, {"count": 2}, {"count": 3}]


async def test_a_subscription_that_the_new_supergraph_has_not_ends_and_says_so() -> None:
    world = World()
    gateway = toy_gateway(world)
    results = await gateway.subscribe(GraphQLRequest("subscription { forever }"))
    assert (await anext(results)).data == {"forever": 1}
    await gateway.replace(Supergraph.from_sdl(SUPERGRAPH.replace("forever: Int", "")))
    last = [result async for result in results]
    assert [e.code for result in last for e in result.errors] == [errors.SUBSCRIPTION_SCHEMA_RELOAD]
    assert "forever" in last[0].errors[0].message
    assert world.streams == 0


async def test_a_supergraph_without_its_clients_is_refused_and_the_old_one_stays() -> None:
    gateway = toy_gateway()
    with pytest.raises(GatewayError, match="accounts, reviews"):
        await gateway.replace(Supergraph.from_sdl(SUPERGRAPH), {})
    assert (await gateway.execute(GraphQLRequest("{ hello }"))).data == {"hello": "hello world"}


async def test_closing_a_stream_ends_it_upstream() -> None:
    world = World()
    gateway = toy_gateway(world)
    results: Any = await gateway.subscribe(GraphQLRequest("subscription { forever }"))
    assert (await anext(results)).data == {"forever": 1}
    assert world.streams == 1
    await results.aclose()
    assert world.streams == 0


async def test_headers_go_to_each_subgraph_and_come_back() -> None:
    world = World()
    gateway = toy_gateway(world)
    context = RequestContext(subgraph_headers=lambda subgraph: {"x-caller": subgraph})
    result = await gateway.execute(GraphQLRequest("{ me { reviews { body } } }"), context)
    assert [(name, request.headers["x-caller"]) for name, request in world.requests] == [
        ("accounts", "accounts"),
        ("reviews", "reviews"),
    ]
    assert ("reviews", "set-cookie", "reviews=1") in result.response_headers


@pytest.mark.parametrize(("query", "method"), [("subscription { forever }", "execute"), ("{ hello }", "subscribe")])
async def test_each_door_takes_its_own_kind(query: str, method: str) -> None:
    with pytest.raises(RequestError):
        await getattr(toy_gateway(), method)(GraphQLRequest(query))


async def test_a_gateway_from_subgraphs() -> None:
    made = clients()
    sources = {
        name: SubgraphSource(federated_sdl(sdl), client=made[name])
        for name, sdl in (("accounts", ACCOUNTS), ("reviews", REVIEWS))
    }
    gateway = Gateway.from_subgraphs(sources)
    result = await gateway.execute(GraphQLRequest("{ me { name reviews { body } } }"))
    assert result.to_json() == {"data": {"me": {"name": "Ada", "reviews": [{"body": "fine"}]}}}


def test_subgraphs_that_do_not_compose_say_why() -> None:
    sources: Mapping[str, SubgraphSource] = {
        "a": SubgraphSource(federated_sdl("type Query { x: Int }"), url="http://a.test"),
        "b": SubgraphSource(federated_sdl("type Query { x: String }"), url="http://b.test"),
    }
    with pytest.raises(CompositionError) as refused:
        Gateway.from_subgraphs(sources)
    assert refused.value.errors
    assert "x" in str(refused.value)


def test_a_source_needs_a_way() -> None:
    with pytest.raises(ValueError, match="neither a client"):
        SubgraphSource("type Query { x: Int }").connect("a")


async def test_a_running_subgraph_tells_its_sdl() -> None:
    made = clients()
    assert await fetch_sdl("reviews", made["reviews"]) == federated_sdl(REVIEWS)


async def test_a_subgraph_without_sdl_is_named() -> None:
    class Mute:
        async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
            return SubgraphResponse(None, [{"message": "no such field"}])

        def subscribe(self, request: SubgraphRequest) -> Any:
            raise NotImplementedError

        async def aclose(self) -> None:
            pass

    with pytest.raises(SubgraphError, match="mute gives no SDL: no such field"):
        await fetch_sdl("mute", Mute())
