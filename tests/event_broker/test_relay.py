"""The relay on a real Postgres: every committed event, in order, none twice unless something broke."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from yarl import URL

from event_broker.bus import PublishError
from event_broker.connection import connect
from event_broker.lag import outbox_lag
from event_broker.listener import Listener
from event_broker.memory import MemoryBus
from event_broker.outbox import _READY, PLANNING
from event_broker.relay import Relay, RelayOptions
from event_broker.service import EventBroker
from event_broker.settings import EventBrokerSettings
from event_broker.shares import PARTITIONS
from lab.faults.proxy import TcpProxy
from shared_schema.contracts.events import Event
from shared_schema.ids import new_id
from tests.support.events import eventually
from tests.support.postgres import TestPostgres

pytestmark = pytest.mark.postgres

DATABASE = "shared_psql"


class RecordingBus(MemoryBus):
    """A bus that notes what it was given, and fails when a test asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Event] = []
        self.refuse: Callable[[Event], bool] = lambda _: False
        self.crash_after_publish = False

    async def publish(self, event: Event) -> None:
        if self.refuse(event):
            raise PublishError("refused by the test")
        await super().publish(event)
        self.published.append(event)
        if self.crash_after_publish:
            # As a killed process would: after the confirm, before the mark.
            raise asyncio.CancelledError

    def versions(self, subject: UUID) -> list[int]:
        return [event.data.version for event in self.published if event.subject == subject]


@pytest.fixture
async def url(postgres: TestPostgres) -> AsyncIterator[str]:
    """A database of each test's own: relays hold locks."""
    name = postgres.migrated("shared_psql")
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
async def database(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    connection.terminate()


@pytest.fixture
async def bus() -> AsyncIterator[RecordingBus]:
    made = RecordingBus()
    await made.start()
    yield made
    await made.aclose()


@asynccontextmanager
async def relaying(
    url: str, bus: RecordingBus, *, wake_up: asyncio.Event | None = None, **options: Any
) -> AsyncIterator[Relay]:
    relay = Relay(DATABASE, url, bus, wake_up or asyncio.Event(), RelayOptions(**{"poll_interval": 0.05, **options}))
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        yield relay
    finally:
        stop.set()
        await asyncio.wait([task], timeout=5)
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        # A relay ends only when asked to; `crash_after_publish` cancels it from within.
        assert result is None or bus.crash_after_publish, result


async def add(connection: asyncpg.Connection, subject: UUID, version: int) -> None:
    await connection.execute(
        "INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)"
        " VALUES ('instance', $1, $2, 'instance.updated', jsonb_build_object('id', $1::uuid, 'version', $2::bigint,"
        " 'owner_id', $1::uuid, 'agent_id', $1::uuid, 'status', 'RUNNING'))",
        subject,
        version,
    )


async def waiting(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"))


async def test_everything_leaves_in_order_and_is_marked(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    first, second = new_id(), new_id()
    for version in range(1, 31):
        await add(database, first, version)
        await add(database, second, version)
    async with relaying(url, bus, batch_size=7):
        await eventually(lambda: len(bus.published) == 60)
        await asyncio.sleep(0.2)
    assert bus.versions(first) == bus.versions(second) == list(range(1, 31))
    assert await waiting(database) == 0
    row = await database.fetchrow("SELECT * FROM outbox ORDER BY seq LIMIT 1")
    event = bus.published[0]
    assert (event.id, event.source, event.type, event.subject) == (
        row["id"],
        "botberi/shared_psql",
        "instance.updated",
        first,
    )
    assert event.time == row["created_at"]
    assert (row["attempts"], row["last_error"]) == (1, None)


async def test_what_is_rolled_back_is_not_published(url: str, database: asyncpg.Connection, bus: RecordingBus) -> None:
    subject = new_id()
    async with relaying(url, bus):
        transaction = database.transaction()
        await transaction.start()
        await add(database, subject, 1)
        await asyncio.sleep(0.2)
        await transaction.rollback()
        await add(database, subject, 2)
        await eventually(lambda: bus.versions(subject) == [2])


async def test_a_lower_seq_that_commits_later_is_not_skipped(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    early, late = new_id(), new_id()
    slow = await asyncpg.connect(url)
    transaction = slow.transaction()
    await transaction.start()
    await add(slow, early, 1)
    await add(database, late, 1)
    async with relaying(url, bus):
        # The later row is committed, but would overtake one that has begun before it.
        await asyncio.sleep(0.3)
        assert bus.published == []
        await transaction.commit()
        await eventually(lambda: len(bus.published) == 2)
    assert [event.subject for event in bus.published] == [early, late]
    await slow.close()


async def test_an_older_transaction_does_not_overtake_within_an_aggregate(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    """Transaction ids are taken at the first write, versions at the write of the aggregate's row."""
    subject, other = new_id(), new_id()
    oldest = await asyncpg.connect(url)
    middle = await asyncpg.connect(url)
    await oldest.execute("BEGIN")
    await oldest.fetchval("SELECT pg_current_xact_id()")
    await middle.execute("BEGIN")
    await add(middle, other, 1)
    await add(database, subject, 1)
    await add(oldest, subject, 2)
    await oldest.execute("COMMIT")
    # Version 2 is older than every open transaction; version 1 is not.
    async with relaying(url, bus):
        await asyncio.sleep(0.3)
        assert bus.versions(subject) == []
        await middle.execute("COMMIT")
        await eventually(lambda: len(bus.published) == 3)
    assert bus.versions(subject) == [1, 2]
    await oldest.close()
    await middle.close()


async def test_a_crash_between_publish_and_mark_repeats_and_loses_none(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    subject = new_id()
    for version in range(1, 4):
        await add(database, subject, version)
    bus.crash_after_publish = True
    async with relaying(url, bus):
        await eventually(lambda: bool(bus.published))
        await asyncio.sleep(0.1)
    assert bus.versions(subject) == [1]
    assert await waiting(database) == 3
    bus.crash_after_publish = False
    async with relaying(url, bus):
        await eventually(lambda: len(bus.published) == 4)
    assert bus.versions(subject) == [1, 1, 2, 3]
    assert len({event.id for event in bus.published}) == 3
    assert await waiting(database) == 0


async def test_a_refused_event_holds_up_its_aggregate_alone(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    bad, good = new_id(), new_id()
    bus.refuse = lambda event: event.subject == bad and event.data.version == 1
    async with relaying(url, bus):
        await add(database, bad, 1)
        await add(database, bad, 2)
        for version in range(1, 6):
            await add(database, good, version)
        await eventually(lambda: bus.versions(good) == [1, 2, 3, 4, 5])
        assert bus.versions(bad) == []
        row = await database.fetchrow("SELECT * FROM outbox ORDER BY seq LIMIT 1")
        assert row["attempts"] >= 1
        assert row["last_error"] == "PUBLISH: refused by the test"
        assert row["next_attempt_at"] > row["created_at"]
        bus.refuse = lambda _: False
        await eventually(lambda: bus.versions(bad) == [1, 2])


async def test_confirms_that_never_come_for_some_events_cost_the_others_time_only(
    url: str, database: asyncpg.Connection, bus: RecordingBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a quorum queue without a leader: what goes there is read and never confirmed, everything else is."""
    stuck, good = [new_id() for _ in range(5)], [new_id() for _ in range(20)]
    confirms = False
    publish = bus.publish

    async def patient(event: Event) -> None:
        if event.subject in stuck and not confirms:
            await asyncio.sleep(0.3)
            raise PublishError(f"{event.type} was not confirmed in 0 s")
        await publish(event)

    monkeypatch.setattr(bus, "publish", patient)
    async with relaying(url, bus):
        for subject in (*stuck, *good):
            await add(database, subject, 1)
        await eventually(lambda: {event.subject for event in bus.published} == set(good))
        for subject in good:
            await add(database, subject, 2)
        await eventually(lambda: all(bus.versions(subject) == [1, 2] for subject in good))
        lag = await outbox_lag(database, DATABASE)
        assert lag.failing == 5
        assert {row.error for row in lag.failures} == {"PUBLISH: instance.updated was not confirmed in 0 s"}
        confirms = True
        await eventually(lambda: all(bus.versions(subject) == [1] for subject in stuck))


async def test_a_row_that_is_no_event_holds_up_no_other(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    good = new_id()
    await database.execute(
        "INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)"
        " VALUES ('x', gen_random_uuid(), 1, 'NOT A TOPIC', '{}')"
    )
    await add(database, good, 1)
    async with relaying(url, bus):
        await eventually(lambda: bus.versions(good) == [1])
        await asyncio.sleep(0.1)
    error = await database.fetchval("SELECT last_error FROM outbox WHERE event_type = 'NOT A TOPIC'")
    assert error.startswith("the row is no event: ")


async def test_a_bus_that_is_away_costs_time_only(url: str, database: asyncpg.Connection, bus: RecordingBus) -> None:
    subjects = [new_id() for _ in range(20)]
    bus.refuse = lambda _: True
    async with relaying(url, bus):
        for subject in subjects:
            await add(database, subject, 1)
        await asyncio.sleep(0.5)
        assert bus.published == []
        # One probe an attempt, not the whole backlog.
        assert await database.fetchval("SELECT count(*) FROM outbox WHERE attempts > 0") < 10
        bus.refuse = lambda _: False
        await eventually(lambda: len(bus.published) == 20)
    assert {event.subject for event in bus.published} == set(subjects)


async def test_several_relays_share_the_work_and_take_over_from_one_another(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    subjects = [new_id() for _ in range(20)]

    async def write(versions: range) -> None:
        for version in versions:
            for subject in subjects:
                await add(database, subject, version)

    async with relaying(url, bus) as second:
        await eventually(lambda: len(second.partitions) == PARTITIONS)
        async with relaying(url, bus) as first:
            await eventually(lambda: len(first.partitions) == len(second.partitions) == PARTITIONS // 2)
            assert first.partitions | second.partitions == set(range(PARTITIONS))
            await write(range(1, 11))
            await eventually(lambda: len(bus.published) == 200)
            await asyncio.sleep(0.1)
            assert all(bus.versions(subject) == list(range(1, 11)) for subject in subjects)
            # Sessions that the server ends, in the midst of the work.
            writing = asyncio.create_task(write(range(11, 31)))
            await asyncio.sleep(0.05)
            watching = await asyncpg.connect(url)
            await watching.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'botberi-relay' AND datname = current_database()"
            )
            await watching.close()
            await writing
            await eventually(lambda: all(set(bus.versions(one)) == set(range(1, 31)) for one in subjects))
            await eventually(lambda: len(first.partitions) == len(second.partitions) == PARTITIONS // 2)
        await eventually(lambda: len(second.partitions) == PARTITIONS)
    # Those that were killed may have published without marking: then some come twice. Never a later one first.
    for subject in subjects:
        assert list(dict.fromkeys(bus.versions(subject))) == list(range(1, 31))


@pytest.mark.parametrize("relays", [3, 17])
async def test_however_many_relays_every_partition_is_somebodys(url: str, bus: RecordingBus, relays: int) -> None:
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(relaying(url, bus)) for _ in range(relays)]
        share = math.ceil(PARTITIONS / relays)
        await eventually(
            lambda: (
                sorted(number for relay in made for number in relay.partitions) == list(range(PARTITIONS))
                and all(len(relay.partitions) <= share for relay in made)
            ),
            within=20,
        )
        assert all(relay.connected for relay in made)


async def test_an_event_says_who_made_it_and_in_which_trace(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    subject = new_id()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with database.transaction():
        await database.execute("SELECT set_config('botberi.actor', 'account:x', true)")
        await database.execute("SELECT set_config('botberi.traceparent', $1, true)", trace)
        await add(database, subject, 1)
    # The settings were the transaction's; and what is no trace is none.
    async with database.transaction():
        await database.execute("SELECT set_config('botberi.traceparent', 'nonsense', true)")
        await database.execute("SET LOCAL application_name = 'repair-script'")
        await add(database, subject, 2)
    async with relaying(url, bus):
        await eventually(lambda: bus.versions(subject) == [1, 2])
    said = [(event.actor, event.traceparent) for event in bus.published]
    assert said == [("account:x", trace), ("repair-script", None)]


async def test_published_rows_are_pruned_after_their_time(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    old, recent = new_id(), new_id()
    await add(database, old, 1)
    await database.execute("UPDATE outbox SET published_at = now() - interval '8 days'")
    await add(database, recent, 1)
    async with relaying(url, bus, retention=timedelta(days=7), housekeeping_interval=0.05):
        await eventually(lambda: bus.versions(recent) == [1])
        await asyncio.sleep(0.2)
    assert [row[0] for row in await database.fetch("SELECT aggregate_id FROM outbox")] == [recent]


async def test_a_mistake_of_ours_is_logged_whole_and_costs_time_only(
    url: str, database: asyncpg.Connection, bus: RecordingBus, caplog: pytest.LogCaptureFixture
) -> None:
    subject = new_id()
    broken = True

    def refuse(_: Event) -> bool:
        if broken:
            raise KeyError("a mistake")
        return False

    bus.refuse = refuse
    async with relaying(url, bus):
        await add(database, subject, 1)
        await eventually(lambda: "publishing outbox row 1 failed" in caplog.text)
        broken = False
        await eventually(lambda: bus.versions(subject) == [1])
    assert "Traceback" in caplog.text


async def test_a_backlog_is_read_by_its_index_whatever_statistics_say(url: str, database: asyncpg.Connection) -> None:
    """Statistics come a minute after the rows; sorting 100,000 for each batch would stop the relay until then."""
    await database.execute(
        "INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)"
        " SELECT 'agent', id, version, 'agent.updated', '{}'"
        " FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 500)) AS ids, generate_series(1, 10) AS version"
    )
    connection = await connect(url, "test", PLANNING)
    for partitions in (range(PARTITIONS), range(PARTITIONS // 2), [3]):
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {_READY}", 200, list(partitions)))
        assert "ix_outbox_waiting on" in plan, plan
        assert "ix_outbox_waiting_aggregate" in plan, plan
        assert "Sort" not in plan, plan
        assert "Seq Scan" not in plan, plan
    await connection.close()


async def test_the_database_comes_back(postgres: TestPostgres, bus: RecordingBus) -> None:
    """The whole server stops and starts again under a relay."""
    with TestPostgres() as own:
        name = own.migrated("shared_psql")
        subject = new_id()
        async with relaying(own.url(name), bus) as relay:
            await eventually(lambda: relay.active)
            own.server.stop()
            await eventually(lambda: not relay.connected)
            own.server.start()
            connection = await asyncpg.connect(own.url(name))
            await add(connection, subject, 1)
            await eventually(lambda: bus.versions(subject) == [1])
            await connection.close()


@asynccontextmanager
async def brokering(url: str, bus: RecordingBus, **values: Any) -> AsyncIterator[EventBroker]:
    broker = EventBroker({DATABASE: url}, bus, EventBrokerSettings(**values))
    stop = asyncio.Event()
    task = asyncio.create_task(broker.run(stop))
    try:
        await eventually(lambda: broker.ready and broker.active)
        yield broker
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def test_notify_wakes_the_broker(url: str, database: asyncpg.Connection, bus: RecordingBus) -> None:
    subject = new_id()
    async with brokering(url, bus, relay_poll_seconds=30) as broker:
        await eventually(lambda: broker._listeners[0].connected)
        await asyncio.sleep(0.1)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await add(database, subject, 1)
        await eventually(lambda: bus.versions(subject) == [1], within=5)
        assert loop.time() - begin < 2


async def test_a_killed_listener_listens_again(url: str, database: asyncpg.Connection, bus: RecordingBus) -> None:
    subject = new_id()
    killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'botberi-listener'"
    async with brokering(url, bus, relay_poll_seconds=30) as broker:
        listener = broker._listeners[0]
        await eventually(lambda: listener.connected)
        assert await database.fetchval(f"{killed} AND datname = current_database()") == 1
        # Sent while there is no listener: the reconnect looks for itself.
        await add(database, subject, 1)
        await eventually(lambda: bus.versions(subject) == [1], within=5)
        await eventually(lambda: listener.connected)
        await add(database, subject, 2)
        await eventually(lambda: bus.versions(subject) == [1, 2], within=5)


async def test_a_listener_in_a_black_hole_listens_again(
    url: str, database: asyncpg.Connection, bus: RecordingBus
) -> None:
    """Nothing raises, nothing closes: only the probe that gets no answer tells."""
    parsed = URL(url)
    subject = new_id()
    async with TcpProxy(parsed.port or 0) as proxy:
        wake_up, stop = asyncio.Event(), asyncio.Event()
        listener = Listener(DATABASE, str(parsed.with_port(proxy.port)), wake_up, probe_interval=0.2, probe_timeout=0.3)
        task = asyncio.create_task(listener.run(stop))
        await eventually(lambda: listener.connected)
        wake_up.clear()
        proxy.freeze()
        await add(database, subject, 1)
        await eventually(lambda: not listener.connected, within=5)
        assert not wake_up.is_set()
        proxy.heal()
        await eventually(lambda: listener.connected and wake_up.is_set(), within=10)
        wake_up.clear()
        await add(database, subject, 2)
        await asyncio.wait_for(wake_up.wait(), 5)
        stop.set()
        await asyncio.wait_for(task, 5)


async def test_without_any_notify_the_poll_delivers(url: str, database: asyncpg.Connection, bus: RecordingBus) -> None:
    await database.execute("DROP TRIGGER outbox_ring ON outbox")
    subject = new_id()
    async with brokering(url, bus, relay_poll_seconds=0.2):
        await add(database, subject, 1)
        await eventually(lambda: bus.versions(subject) == [1], within=3)


async def test_a_row_change_arrives_at_a_follower(url: str, database: asyncpg.Connection, bus: RecordingBus) -> None:
    """The whole way: a row, its trigger, the outbox, the relay, the bus, a follower."""
    agent, instance, owner = new_id(), new_id(), new_id()
    async with brokering(url, bus), bus.follow(["instance.*"]) as events:
        await database.execute(
            "INSERT INTO agents (id, slug, name, workflow, publisher_id) VALUES ($1, 'a', 'A', 'w', $2)", agent, owner
        )
        await database.execute(
            "INSERT INTO instances (id, owner_id, agent_id, name) VALUES ($1, $2, $3, 'I')", instance, owner, agent
        )
        for status in ("QUEUED", "RUNNING", "SUCCEEDED"):
            await database.execute("UPDATE instances SET status = $2 WHERE id = $1", instance, status)
        async with asyncio.timeout(10):
            got = [await anext(events) for _ in range(4)]
    assert [(event.type, event.data.version, event.data.status, event.data.terminal) for event in got] == [
        ("instance.created", 1, "PENDING", False),
        ("instance.updated", 2, "QUEUED", False),
        ("instance.updated", 3, "RUNNING", False),
        ("instance.updated", 4, "SUCCEEDED", True),
    ]
    assert {(event.data.owner_id, event.data.agent_id) for event in got} == {(owner, agent)}
