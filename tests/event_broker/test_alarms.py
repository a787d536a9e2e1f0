"""RabbitMQ runs short of memory or disk: publishers wait, nothing is lost, metrics show it, and it recovers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from prometheus_client import REGISTRY

from event_broker.amqp import AmqpBus
from event_broker.bus import BusBlocked
from event_broker.link import LinkOptions
from event_broker.relay import Relay, RelayOptions
from lab.faults.rabbitmq import ALARMS, RabbitNode, installed
from shared_schema.contracts.events import Event
from shared_schema.database import Database
from shared_schema.ids import new_id
from shared_schema.models import Agent
from tests.support.events import eventually, make_event

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not installed(), reason="no RabbitMQ server here to raise an alarm: install Debian's rabbitmq-server"
    ),
]
#: A publish gives up soon, and the broker's beats are seldom enough for an alarm to outlast several of them.
OPTIONS = LinkOptions(operation_timeout=1.5, heartbeat=2, probe_interval=0.3, max_backoff=0.5)


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitNode]:
    """A node of these tests' own: an alarm is everybody's who uses it."""
    with RabbitNode() as running:
        yield running


@pytest.fixture
async def bus(node: RabbitNode) -> AsyncIterator[AmqpBus]:
    made = AmqpBus(node.url, name="alarms", options=OPTIONS, close_timeout=1.0)
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    made = Database(shared_database_url)
    yield made
    await made.aclose()


def blocked_gauge() -> float | None:
    return REGISTRY.get_sample_value("botberi_amqp_blocked", {"role": "alarms-publisher"})


@dataclass
class Got:
    """A handler that keeps versions by subject, in the order of arrival."""

    seen: dict[object, list[int]] = field(default_factory=dict)

    async def __call__(self, event: Event) -> None:
        self.seen.setdefault(event.subject, []).append(event.data.version)


@pytest.mark.parametrize("kind", ALARMS)
async def test_the_outbox_waits_for_the_alarm_to_end(
    node: RabbitNode,
    bus: AmqpBus,
    database: Database,
    shared_database_url: str,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    got, stop, wake_up = Got(), asyncio.Event(), asyncio.Event()
    await bus.consume(f"alarm-{kind}", ["agent.created", "agent.updated"], got)
    relay = Relay("shared_psql", shared_database_url, bus, wake_up, RelayOptions(poll_interval=0.1))
    task = asyncio.create_task(relay.run(stop))
    try:
        before = await add(database, 3)
        await eventually(
            lambda: all(got.seen.get(one) == [1] for one in before), within=30, what="events before the alarm"
        )
        with node.alarm(kind), caplog.at_level(logging.WARNING, "event_broker.link"):
            # RabbitMQ stops a connection when it publishes.
            during = await add(database, 20)
            await eventually(lambda: bus.blocked, within=20, what="the bus knowing of the alarm")
            assert not bus.ready
            assert blocked_gauge() == 1
            with pytest.raises(BusBlocked):
                await asyncio.wait_for(bus.publish(make_event()), 5)
            # Longer than two beats, several probes and a publish: the connection is not given up.
            await asyncio.sleep(5)
            assert bus.blocked
            assert waiting(shared_database_url, "BUS_BLOCKED") >= 1
            during += await add(database, 5)
        await eventually(lambda: all(got.seen.get(one) for one in during), within=20, what="what waited arriving")
        assert all(set(got.seen[one]) == {1} for one in during)
        await eventually(lambda: bus.ready, within=10)
        assert blocked_gauge() == 0
        # Its consumer may have an event before its publisher has the confirmation, and the outbox its mark.
        await eventually(lambda: waiting(shared_database_url) == 0, within=20, what="all being marked")
        said = [record.getMessage() for record in caplog.records if record.name == "event_broker.link"]
        assert sum("takes no messages" in line for line in said) == 1, said
        assert sum("takes messages again" in line for line in said) == 1, said
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


async def test_a_short_alarm_costs_a_publisher_its_wait_only(node: RabbitNode) -> None:
    patient = LinkOptions(operation_timeout=60.0, heartbeat=2, probe_interval=0.3)
    bus = AmqpBus(node.url, name="patient", options=patient, close_timeout=1.0)
    await bus.start()
    try:
        with node.alarm("memory"):
            sent = [asyncio.create_task(bus.publish(make_event())) for _ in range(20)]
            await eventually(lambda: bus.blocked, within=20)
            sent.append(asyncio.create_task(bus.publish(make_event())))
            await asyncio.sleep(1)
            assert not any(one.done() for one in sent)
        await asyncio.wait_for(asyncio.gather(*sent), 30)
    finally:
        await bus.aclose()


async def add(database: Database, count: int) -> list[object]:
    ids: list[object] = []
    for _ in range(count):
        agent = Agent(id=new_id(), slug=f"agent-{new_id().hex}", name="A", workflow="w", publisher_id=new_id())
        async with database.unit_of_work() as session:
            session.add(agent)
        ids.append(agent.id)
    return ids


def waiting(url: str, said: str = "") -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM outbox WHERE published_at IS NULL AND coalesce(last_error, '') LIKE %s", (f"{said}%",)
        ).fetchone()
    assert found is not None
    return int(found[0])
