"""Real brokers, processes of their own, share two databases; one is killed and the others go on."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest
from yarl import URL

from botberi.postgres import free_port
from botberi.services import is_healthy
from event_broker.amqp import AmqpBus
from event_broker.shares import PARTITIONS, relays_of
from lab.faults.proxy import TcpProxy
from shared_schema.contracts.events import Event
from shared_schema.ids import new_id
from tests.event_broker.conftest import OPTIONS, QUICK
from tests.support.events import eventually
from tests.support.postgres import TestPostgres

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq]


@dataclass
class Broker:
    """`botberi broker`."""

    process: asyncio.subprocess.Process
    port: int

    async def ready(self) -> bool:
        return await asyncio.to_thread(is_healthy, f"http://127.0.0.1:{self.port}/ready")


async def until(ask: Callable[[], Awaitable[object]], wanted: object) -> None:
    for _ in range(600):
        if await ask() == wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"it did not become {wanted} within a minute")


@asynccontextmanager
async def broker(urls: tuple[str, str], amqp_url: str) -> AsyncIterator[Broker]:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "BOTBERI_USER_DATABASE_URL": urls[0],
        "BOTBERI_SHARED_DATABASE_URL": urls[1],
        "BOTBERI_AMQP_URL": amqp_url,
        "BOTBERI_METRICS_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "botberi.cli", "broker", env=environment)
    made = Broker(process, port)
    try:
        await until(made.ready, True)
        yield made
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


@pytest.fixture
async def urls(postgres: TestPostgres) -> AsyncIterator[tuple[str, str]]:
    names = [postgres.migrated("user_psql"), postgres.migrated("shared_psql")]
    yield postgres.url(names[0]), postgres.url(names[1])
    for name in names:
        postgres.drop(name)


async def add_agent(connection: asyncpg.Connection) -> UUID:
    agent = new_id()
    await connection.execute(
        "INSERT INTO agents (id, slug, name, workflow, publisher_id) VALUES ($1, $2, 'Agent', 'w', $1)",
        agent,
        f"agent-{agent.hex}",
    )
    return agent


async def test_another_broker_takes_over_within_five_seconds(urls: tuple[str, str], amqp_url: str) -> None:
    got: list[Event] = []

    async def handler(event: Event) -> None:
        got.append(event)

    def versions(agent: UUID) -> list[int]:
        # In the order of their first coming: a killed broker may have sent some without marking them.
        return list(dict.fromkeys(event.data.version for event in got if event.subject == agent))

    bus = AmqpBus(amqp_url, name="test", retry=QUICK, options=OPTIONS, close_timeout=1.0)
    await bus.start()
    connection = await asyncpg.connect(urls[1])
    try:
        await bus.consume(f"test-{uuid4().hex}", ["agent.*"], handler)
        async with AsyncExitStack() as stack:
            first, second = await asyncio.gather(*(stack.enter_async_context(broker(urls, amqp_url)) for _ in range(2)))
            await until(lambda: relays_of(connection), (2, PARTITIONS))
            # So many that each partition, and with it each broker, has some.
            agents = [await add_agent(connection) for _ in range(48)]
            await eventually(lambda: all(versions(one) == [1] for one in agents), within=20)
            for victim in (first, second):
                survivor = second if victim is first else await stack.enter_async_context(broker(urls, amqp_url))
                writing = asyncio.create_task(rename_all(connection, agents, times=5))
                await asyncio.sleep(0.05)
                victim.process.send_signal(signal.SIGKILL)
                killed = time.monotonic()
                await writing
                version = 6 if victim is first else 11
                await eventually(
                    lambda wanted=version: all(versions(one)[-1] == wanted for one in agents),  # type: ignore[misc]
                    within=20,
                    what="everything arriving by the broker that is left",
                )
                assert time.monotonic() - killed < 5
                assert survivor.process.returncode is None
            assert all(versions(one) == list(range(1, 12)) for one in agents)
            assert await connection.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0
    finally:
        await connection.close()
        await bus.aclose()


async def rename_all(connection: asyncpg.Connection, agents: list[UUID], times: int) -> None:
    for _ in range(times):
        await connection.execute("UPDATE agents SET name = name || '.' WHERE id = ANY($1::uuid[])", agents)


async def test_a_broker_says_when_it_cannot_work(urls: tuple[str, str], amqp_url: str) -> None:
    parsed = URL(amqp_url)
    async with TcpProxy(parsed.port or 5672, parsed.host or "127.0.0.1") as proxy:
        through = str(parsed.with_host("127.0.0.1").with_port(proxy.port))
        async with broker(urls, through) as one:
            # A black hole: nothing is closed, only beats and probes find out.
            proxy.freeze()
            await until(one.ready, False)
            proxy.heal()
            await until(one.ready, True)
            assert one.process.returncode is None
