"""Event sources of the gateway on real servers: topics, losses, and a subscription that each of them feeds."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
import asyncpg
import pytest
from redis.asyncio import Redis

from botberi_gateway.config import EngineConfig, EventSourceConfig
from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from botberi_gateway.errors import EventSourceError
from botberi_gateway.event_sources import source_of
from botberi_gateway.event_sources.amqp import AmqpSource
from botberi_gateway.event_sources.postgres import ddl
from botberi_gateway.subscriptions import SourceEvent
from gateway.tests.support.event_graph import JOBS, MACHINES, Jobs

Publish = Callable[..., Awaitable[None]]


@dataclass
class Bus:
    """A real server: its source's configuration, how to publish there, and how to cut the source's connection."""

    config: EventSourceConfig
    publish: Publish
    cut: Callable[[Any], Awaitable[None]]


@asynccontextmanager
async def rabbit(url: str) -> AsyncIterator[Bus]:
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    exchange = await channel.declare_exchange("events", aio_pika.ExchangeType.TOPIC, durable=True)

    async def publish(topic: str, **values: Any) -> None:
        await exchange.publish(aio_pika.Message(json.dumps(values).encode()), topic)

    async def cut(source: Any) -> None:
        assert isinstance(source, AmqpSource)
        assert source._connection is not None
        await source._connection.close()

    try:
        yield Bus(EventSourceConfig(url=url), publish, cut)
    finally:
        await connection.close()


@asynccontextmanager
async def table(url: str) -> AsyncIterator[Bus]:
    connection = await asyncpg.connect(url)
    await connection.execute("DROP TABLE IF EXISTS gateway_events; DROP FUNCTION IF EXISTS gateway_events_notify")
    await connection.execute(ddl())

    async def publish(topic: str, **values: Any) -> None:
        await connection.execute(INSERT, topic, json.dumps(values))

    async def cut(_: Any) -> None:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

    try:
        yield Bus(EventSourceConfig(url=url, first_backoff_seconds=0.05), publish, cut)
    finally:
        await connection.close()


INSERT = "INSERT INTO gateway_events (topic, payload) VALUES ($1, $2)"


@asynccontextmanager
async def stream(url: str) -> AsyncIterator[Bus]:
    redis = Redis.from_url(url)
    await redis.delete("gateway_events")

    async def publish(topic: str, **values: Any) -> None:
        await redis.xadd("gateway_events", {"topic": topic, "payload": json.dumps(values)})

    async def cut(_: Any) -> None:
        await redis.client_kill_filter(_type="normal", skipme=True)

    try:
        yield Bus(EventSourceConfig(url=url, first_backoff_seconds=0.05), publish, cut)
    finally:
        await redis.aclose()


@pytest.fixture(params=[pytest.param("amqp", marks=pytest.mark.rabbitmq), "postgres", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    match request.param:
        case "amqp":
            server = rabbit(request.getfixturevalue("own_amqp_url"))
        case "postgres":
            server = table(request.getfixturevalue("postgres").url())
        case _:
            server = stream(request.getfixturevalue("redis_url"))
    async with server as opened:
        yield opened


async def some(events: AsyncIterator[SourceEvent], count: int) -> list[Any]:
    async with asyncio.timeout(15):
        return [(event.topic, event.attributes["id"]) for event in [await anext(events) for _ in range(count)]]


async def test_a_follower_gets_what_is_published_on_its_topics(bus: Bus) -> None:
    source = source_of(bus.config)
    assert source is not None
    await bus.publish("order.paid", id="before")
    async with source.follow(["order.*"]) as orders, source.follow(["#"]) as everything:
        await bus.publish("order.paid", id="1", amount=3)
        await bus.publish("cart.filled", id="2")
        await bus.publish("order.sent", id="3")
        assert await some(orders, 2) == [("order.paid", "1"), ("order.sent", "3")]
        assert await some(everything, 3) == [("order.paid", "1"), ("cart.filled", "2"), ("order.sent", "3")]


async def test_a_lost_connection(bus: Bus) -> None:
    """A log goes on where it was; of RabbitMQ the follower learns of the loss, and follows again."""
    source = source_of(bus.config)
    assert source is not None
    async with source.follow(["#"]) as events:
        await bus.publish("a.b", id="1")
        assert await some(events, 1) == [("a.b", "1")]
        await bus.cut(source)
        await bus.publish("a.b", id="2")
        if isinstance(source, AmqpSource):
            with pytest.raises(EventSourceError):
                await some(events, 1)
        else:
            assert await some(events, 1) == [("a.b", "2")]
    async with source.follow(["#"]) as events:
        await bus.publish("a.b", id="3")
        assert await some(events, 1) == [("a.b", "3")]


async def test_a_subscription_is_fed(bus: Bus) -> None:
    jobs = Jobs()
    sources = {
        "jobs": SubgraphSource(JOBS.replace("EXTRA", ""), client=jobs),
        "machines": SubgraphSource(MACHINES, client=jobs),
    }
    config = EngineConfig(event_source=bus.config)
    gateway = Gateway.from_subgraphs(sources, config=config)
    request = GraphQLRequest('subscription { jobUpdated(id: "1") { id version done } }')
    results = await gateway.subscribe(request)
    try:
        async with asyncio.timeout(20):
            assert (await anext(results)).to_json()["data"]["jobUpdated"]["version"] == 1  # the present state
            jobs.version = 2
            await bus.publish("job.changed", id="2")  # another one
            await bus.publish("job.changed", id="1")
            assert (await anext(results)).to_json()["data"]["jobUpdated"]["version"] == 2
            jobs.version, jobs.done = 3, True
            await bus.publish("job.changed", id="1")
            assert (await anext(results)).to_json()["data"]["jobUpdated"]["version"] == 3
            with pytest.raises(StopAsyncIteration):
                await anext(results)
    finally:
        await results.aclose()  # type: ignore[attr-defined]
        await gateway.aclose()


async def test_a_transaction_that_commits_later_is_not_skipped(postgres: Any) -> None:
    async with table(postgres.url()) as bus:
        source = source_of(bus.config)
        assert source is not None
        late = await asyncpg.connect(postgres.url())
        async with source.follow(["#"]) as events:
            transaction = late.transaction()
            await transaction.start()
            await late.execute(INSERT, "a.b", '{"id": "late"}')
            await bus.publish("a.b", id="early")
            await asyncio.sleep(0.3)
            await transaction.commit()
            assert await some(events, 2) == [("a.b", "late"), ("a.b", "early")]
        await late.close()


async def test_a_source_that_is_not_there(bus: Bus) -> None:
    scheme = (bus.config.url or "").partition("://")[0]
    source = source_of(EventSourceConfig(url=f"{scheme}://127.0.0.1:1/"))
    assert source is not None
    with pytest.raises(EventSourceError) as caught:
        async with source.follow(["#"]):
            pass
    assert "127.0.0.1" not in str(caught.value)
