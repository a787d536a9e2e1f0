"""The gateway's subscriptions over the real bus, while RabbitMQ is cut, frozen and killed: they catch up or end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from yarl import URL

from botberi.wiring.events import BusEventSource
from botberi_gateway import errors
from botberi_gateway.config import EngineConfig, EventSourceConfig
from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse
from event_broker.amqp import AmqpBus
from event_broker.bus import Bus, FollowLost, PublishError
from event_broker.link import LinkOptions
from event_broker.memory import MemoryBus
from lab.faults.proxy import TcpProxy
from lab.faults.rabbitmq import RabbitNode, installed
from shared_schema.ids import new_id, to_global_id
from tests.support.events import eventually, make_event

SDL = """
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@composeDirective"])
    @link(url: "https://specs.botberi.dev/events/v1.0", import: ["@eventSource"])
        @composeDirective(name: "@eventSource")
  directive @eventSource(
    topics: [String!]! where: [String!]! = [] version: String until: String snapshot: Boolean! = false feed: String
  ) on FIELD_DEFINITION
  type Query { instance(id: ID!): Instance }
  type Subscription {
    changed(id: ID!): Instance @eventSource(topics: ["instance.*"], where: ["id=$id"],
        version: "version", snapshot: true)
  }
  type Instance @key(fields: "id") { id: ID! version: Int! }
"""
OPTIONS = LinkOptions(
    operation_timeout=2.0, heartbeat=2, probe_interval=0.3, connect_timeout=2.0, max_backoff=0.3, silence=0.5
)


class Instances:
    """The database, as its subgraph shows it."""

    def __init__(self) -> None:
        self.version = 1

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        found = [{"id": r["id"], "version": self.version} for r in request.variables["representations"]]
        return SubgraphResponse({"_entities": found})

    def subscribe(self, request: SubgraphRequest) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        return


class Followed:
    """Many subscriptions of one instance, and what each of them saw."""

    def __init__(self, bus: Bus, timeout_seconds: float = 60.0) -> None:
        self.row, self.database = new_id(), Instances()
        self.seen: list[list[int]] = [[] for _ in range(20)]
        self.codes: list[str] = []
        sources = {"instance": SubgraphSource(SDL, client=self.database)}
        limits = EngineConfig(event_source=EventSourceConfig(loss_timeout_seconds=timeout_seconds))
        self.bus = bus
        self.gateway = Gateway.from_subgraphs(sources, event_source=BusEventSource(bus), config=limits)

    async def change(self, *, published: bool = True) -> None:
        """One more version; the event waits for the bus as the outbox does."""
        self.database.version += 1
        while published:
            try:
                await self.bus.publish(make_event(subject=self.row, version=self.database.version))
            except PublishError:
                await asyncio.sleep(0.1)
            else:
                return

    async def follow(self, which: int) -> None:
        query = "subscription($id: ID!) { changed(id: $id) { version } }"
        variables: Mapping[str, Any] = {"id": to_global_id("Instance", self.row)}
        async for result in await self.gateway.subscribe(GraphQLRequest(query, variables=variables)):
            self.codes += [error.code for error in result.errors]
            if result.data:
                self.seen[which].append(result.data["changed"]["version"])

    async def everybody_has(self, version: int, within: float = 40) -> None:
        await eventually(
            lambda: all(s and s[-1] == version for s in self.seen), within=within, what=f"version {version}"
        )
        for versions in self.seen:
            assert versions == sorted(set(versions)), "an older state after a newer one, or one twice"


@asynccontextmanager
async def following(bus: Bus, timeout_seconds: float = 60.0) -> AsyncIterator[Followed]:
    followed = Followed(bus, timeout_seconds)
    tasks = [asyncio.create_task(followed.follow(which)) for which in range(len(followed.seen))]
    try:
        await followed.everybody_has(1)
        yield followed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await followed.gateway.aclose()


@asynccontextmanager
async def started(bus: Any) -> AsyncIterator[Any]:
    await bus.start()
    try:
        yield bus
    finally:
        await bus.aclose()


async def test_in_process_what_a_gap_hid_is_read_from_the_database() -> None:
    async with started(MemoryBus()) as bus, following(bus) as followed:
        await followed.change()
        await followed.everybody_has(2)
        await followed.change(published=False)
        for mailbox in bus._fanout._everybody():
            mailbox.fail(FollowLost("a gap"))
        await followed.everybody_has(3)
        await followed.change()
        await followed.everybody_has(4)
        assert not followed.codes


@pytest.mark.rabbitmq
@pytest.mark.parametrize("how", ["cut", "freeze"])
async def test_a_broken_connection_costs_time_and_no_state(how: str, amqp_url: str) -> None:
    parsed = URL(amqp_url)
    async with TcpProxy(parsed.port or 5672, parsed.host or "127.0.0.1") as proxy:
        url = str(parsed.with_host("127.0.0.1").with_port(proxy.port))
        async with (
            started(AmqpBus(amqp_url, name="there", options=OPTIONS)) as other,
            started(AmqpBus(url, name="here", options=OPTIONS)) as bus,
            following(bus) as followed,
        ):
            followed.bus = other  # The broker publishes on a connection of its own, which is well.
            await followed.change()
            await followed.everybody_has(2)
            if how == "cut":
                proxy.cut()
                await followed.change()
            else:
                proxy.freeze()
                await followed.change()
                await eventually(
                    lambda: followed.gateway.is_event_source_lost, within=20, what="the loss being noticed"
                )
                proxy.heal()
            await followed.everybody_has(3)
            await followed.change()
            await followed.everybody_has(4)
            assert not followed.codes
            assert not followed.gateway.is_event_source_lost


@pytest.mark.rabbitmq
async def test_no_follower_waits_for_ever_on_a_bus_that_stays_away(amqp_url: str) -> None:
    parsed = URL(amqp_url)
    async with TcpProxy(parsed.port or 5672, parsed.host or "127.0.0.1") as proxy:
        url = str(parsed.with_host("127.0.0.1").with_port(proxy.port))
        async with started(AmqpBus(url, name="here", options=OPTIONS)) as bus, following(bus, 1.0) as followed:
            proxy.freeze()
            await eventually(
                lambda: len(followed.codes) == len(followed.seen), within=30, what="an error for every follower"
            )
            assert set(followed.codes) == {errors.EVENT_SOURCE_UNAVAILABLE}


@pytest.mark.rabbitmq
@pytest.mark.skipif(not installed(), reason="no RabbitMQ server here to kill: install Debian's rabbitmq-server")
async def test_a_killed_broker_costs_time_and_no_state() -> None:
    with RabbitNode() as node:
        async with started(AmqpBus(node.url, options=OPTIONS)) as bus, following(bus) as followed:
            await followed.change()
            await followed.everybody_has(2)
            await asyncio.to_thread(node.kill)
            changing = asyncio.create_task(followed.change())
            await eventually(lambda: followed.gateway.is_event_source_lost, within=20, what="the loss being noticed")
            await asyncio.to_thread(node.start)
            await asyncio.wait_for(changing, 60)
            await followed.everybody_has(3, within=60)
            assert not followed.codes
