"""From a changed row to a consumer's effect, the same on every bus: nothing lost, nothing done twice, in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from event_broker.bus import Bus
from event_broker.connection import connect
from event_broker.replay import Replay, Selection, topics_of
from event_broker.service import EventBroker
from event_broker.settings import EventBrokerSettings
from shared_schema.contracts.events import Event
from shared_schema.database import Database
from shared_schema.ids import new_id
from shared_schema.inbox import first_time
from shared_schema.origin import acting
from tests.support.events import eventually
from tests.support.postgres import TestPostgres

pytestmark = pytest.mark.postgres

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Step = Callable[[Event], Awaitable[None]]


@pytest.fixture
async def url(postgres: TestPostgres) -> AsyncIterator[str]:
    name = postgres.migrated("shared_psql")
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    made = Database(url)
    async with made.unit_of_work() as session:
        # Without a key: whatever is done twice is there twice.
        await session.execute(text("CREATE TABLE effects (subject uuid, version bigint, actor text, trace text)"))
    yield made
    await made.aclose()


class Ledger:
    """A consumer whose effect has no version to compare: it appends."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        #: Called within the unit of work, after the effect: a test's way to fail there.
        self.before_commit: Step | None = None
        self.deliveries = 0

    async def __call__(self, event: Event) -> None:
        self.deliveries += 1
        async with self._database.unit_of_work() as session:
            if not await first_time(session, self._name, event):
                return
            values = {
                "subject": event.subject,
                "version": event.data.version,
                "actor": event.actor,
                "trace": event.traceparent,
            }
            await session.execute(text("INSERT INTO effects VALUES (:subject, :version, :actor, :trace)"), values)
            if self.before_commit is not None:
                await self.before_commit(event)

    async def effects(self, subject: UUID) -> list[int]:
        async with self._database.unit_of_work() as session:
            found = await session.execute(
                text("SELECT version FROM effects WHERE subject = :subject ORDER BY ctid"), {"subject": subject}
            )
            return list(found.scalars())

    async def settled(self, subject: UUID, versions: list[int]) -> None:
        for _ in range(500):
            if await self.effects(subject) == versions:
                break
            await asyncio.sleep(0.02)
        # And no more come.
        await asyncio.sleep(0.1)
        assert await self.effects(subject) == versions


@asynccontextmanager
async def flowing(url: str, bus: Bus, ledger: Ledger, queue: str | None = None) -> AsyncIterator[None]:
    consumer = await bus.consume(queue or f"test-{uuid4().hex}", ["agent.*"], ledger)
    broker = EventBroker({"shared_psql": url}, bus, EventBrokerSettings(relay_poll_seconds=0.1))
    stop = asyncio.Event()
    task = asyncio.create_task(broker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)
        await consumer.aclose()


async def add_agent(database: Database) -> UUID:
    agent = new_id()
    async with database.unit_of_work() as session:
        await session.execute(
            text("INSERT INTO agents (id, slug, name, workflow, publisher_id) VALUES (:id, :slug, 'A', 'w', :id)"),
            {"id": agent, "slug": f"agent-{agent.hex}"},
        )
    return agent


async def rename(database: Database, agent: UUID, name: str) -> None:
    async with database.unit_of_work() as session:
        await session.execute(text("UPDATE agents SET name = :name WHERE id = :id"), {"id": agent, "name": name})


async def test_every_change_has_its_effect_once_and_in_order(url: str, database: Database, bus: Bus) -> None:
    ledger = Ledger(database, "ledger")
    async with flowing(url, bus, ledger):
        agents = [await add_agent(database) for _ in range(5)]
        for number in range(10):
            await asyncio.gather(*(rename(database, agent, f"A {number}") for agent in agents))
        for agent in agents:
            await ledger.settled(agent, list(range(1, 12)))


async def test_what_comes_twice_has_its_effect_once(url: str, database: Database, bus: Bus) -> None:
    ledger = Ledger(database, "ledger")
    async with flowing(url, bus, ledger):
        agent = await add_agent(database)
        await rename(database, agent, "B")
        await ledger.settled(agent, [1, 2])
        connection = await connect(url, "test")
        now = datetime.now(UTC)
        everything = Selection(now - timedelta(hours=1), now + timedelta(hours=1), topics_of(["agent.*"]))
        assert [count async for count in Replay(connection, everything).run()] == [2]
        await connection.close()
        await eventually(lambda: ledger.deliveries >= 4)
        await ledger.settled(agent, [1, 2])


async def test_an_effect_that_is_rolled_back_is_done_again(url: str, database: Database, bus: Bus) -> None:
    ledger = Ledger(database, "ledger")
    failures = 0

    async def fail_once(event: Event) -> None:
        nonlocal failures
        if event.data.version == 2 and not failures:
            failures += 1
            raise ConnectionError("the database went away before the commit")

    ledger.before_commit = fail_once
    async with flowing(url, bus, ledger):
        agent = await add_agent(database)
        await rename(database, agent, "B")
        await rename(database, agent, "C")
        await ledger.settled(agent, [1, 2, 3])
    assert failures == 1


async def test_two_consumers_at_once_are_one_after_the_other(database: Database) -> None:
    """Two deliveries of one event side by side, as after a connection that broke: one is first, the other is not."""
    event = Event.model_validate(
        {
            "id": str(new_id()),
            "source": "botberi/test",
            "type": "agent.updated",
            "subject": "01890a5d-ac96-774b-bcce-b302099a8057",
            "data": {"id": "01890a5d-ac96-774b-bcce-b302099a8057", "version": 2},
        }
    )
    ledger, other = Ledger(database, "ledger"), Ledger(database, "other")

    async def slowly(_: Event) -> None:
        await asyncio.sleep(0.1)

    ledger.before_commit = slowly
    await asyncio.gather(*(ledger(event) for _ in range(5)))
    assert await ledger.effects(event.subject) == [2]
    # Another consumer has an inbox of its own.
    await other(event)
    assert await ledger.effects(event.subject) == [2, 2]


async def test_the_trace_goes_from_the_request_to_the_consumer(url: str, database: Database, bus: Bus) -> None:
    ledger = Ledger(database, "ledger")
    async with flowing(url, bus, ledger):
        with acting("account:x", TRACE):
            agent = await add_agent(database)
        with acting(traceparent="00-nonsense"):
            await rename(database, agent, "B")
        await ledger.settled(agent, [1, 2])

        # And on: what a handler changes is of the trace that called it.
        async def follow_up(event: Event) -> None:
            if event.data.version == 1:
                await rename(database, event.subject, "C")

        ledger.before_commit = follow_up
        with acting("account:y", TRACE):
            other = await add_agent(database)
        await ledger.settled(other, [1, 2])
    async with database.unit_of_work() as session:
        traces = await session.execute(
            text("SELECT actor, traceparent FROM outbox WHERE aggregate_id = :id ORDER BY seq"), {"id": other}
        )
        assert [tuple(row) for row in traces] == [("account:y", TRACE), ("botberi", TRACE)]
        await session.execute(text("DELETE FROM effects WHERE subject = :id"), {"id": other})
        said = await session.execute(text("SELECT actor, trace FROM effects ORDER BY version"))
        assert [tuple(row) for row in said] == [("account:x", TRACE), ("botberi", None)]


async def test_a_late_commit_with_a_lower_number_has_its_effect(url: str, database: Database, bus: Bus) -> None:
    ledger = Ledger(database, "ledger")
    late = await asyncpg.connect(url)
    async with flowing(url, bus, ledger):
        transaction = late.transaction()
        await transaction.start()
        early = new_id()
        await late.execute(
            "INSERT INTO agents (id, slug, name, workflow, publisher_id) VALUES ($1, $2, 'A', 'w', $1)",
            early,
            f"agent-{early.hex}",
        )
        after = await add_agent(database)
        await asyncio.sleep(0.5)
        await transaction.commit()
        await ledger.settled(early, [1])
        await ledger.settled(after, [1])
    await late.close()


async def test_the_inbox_forgets_after_its_time(url: str, database: Database, bus: Bus) -> None:
    ledger = Ledger(database, "ledger")
    async with flowing(url, bus, ledger):
        agent = await add_agent(database)
        await ledger.settled(agent, [1])
    async with database.unit_of_work() as session:
        await session.execute(text("UPDATE inbox SET handled_at = now() - interval '15 days'"))
    async with flowing(url, bus, ledger):
        another = await add_agent(database)
        await ledger.settled(another, [1])
        async with database.unit_of_work() as session:
            assert (await session.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 1
