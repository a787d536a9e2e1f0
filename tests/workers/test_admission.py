"""How many runs of an account are with the workers at once, who comes next, and what a template's limits change."""

from __future__ import annotations

import asyncio
from uuid import UUID

import psycopg
import pytest
from celery import Celery

from event_broker.memory import MemoryBus
from event_broker.relay import Relay, RelayOptions
from shared_schema.database import Database, SyncDatabase
from shared_schema.ids import new_id
from shared_schema.origin import acting
from tests.workers.support import Rows
from tests.workers.test_dispatch import created, event, messages
from workers.broker import ensure_pgmq
from workers.celery_app import create_app
from workers.dispatch import Dispatcher
from workers.runs import Reaper, RunStore
from workers.sender import DispatchError
from workers.settings import WorkerSettings

TEXTS = {"texts": ["Good."]}


@pytest.fixture
def two_places(settings: WorkerSettings) -> WorkerSettings:
    return settings.model_copy(update={"runs_per_account": 2})


@pytest.fixture
def dispatcher(bus: MemoryBus, database: Database, two_places: WorkerSettings, rows: Rows) -> Dispatcher:
    ensure_pgmq(two_places)
    rows.execute("DELETE FROM pgmq.q_agents")
    return Dispatcher(bus, database, create_app(two_places), two_places)


def add(rows: Rows, owner: UUID, count: int) -> list[UUID]:
    return [rows.instance("text-insights", TEXTS, owner_id=owner) for _ in range(count)]


def statuses(rows: Rows, instances: list[UUID]) -> list[str]:
    return [rows.get(instance_id)["status"] for instance_id in instances]


async def test_an_account_has_so_many_runs_with_the_workers_and_the_oldest_first(
    dispatcher: Dispatcher, rows: Rows
) -> None:
    greedy, modest = add(rows, new_id(), 5), add(rows, new_id(), 1)
    for instance_id in reversed(greedy + modest):
        await dispatcher.handle(created(instance_id))
    assert statuses(rows, greedy) == ["QUEUED", "QUEUED", "PENDING", "PENDING", "PENDING"]
    assert statuses(rows, modest) == ["QUEUED"]
    assert sorted(messages(rows)) == sorted(map(str, greedy[:2] + modest))


async def test_many_dispatchers_at_once_keep_the_limit(dispatcher: Dispatcher, rows: Rows) -> None:
    owner = new_id()
    waiting = add(rows, owner, 6)
    await asyncio.gather(*(dispatcher.admit(owner, reason="created") for _ in range(8)))
    assert statuses(rows, waiting).count("QUEUED") == 2
    assert len(messages(rows)) == 2


@pytest.mark.parametrize("ending", ["status = 'CANCELLED'", "deleted_at = now(), cancel_requested_at = now()"])
async def test_a_place_that_became_free_is_given_to_the_next_at_once_however_the_run_ended(
    dispatcher: Dispatcher, rows: Rows, bus: MemoryBus, two_places: WorkerSettings, ending: str
) -> None:
    """By the event alone: the sweeper has nothing to do for an hour."""
    owner, stop, wake_up = new_id(), asyncio.Event(), asyncio.Event()
    patient = two_places.model_copy(update={"sweep_interval_seconds": 3600.0})
    alone = Dispatcher(bus, dispatcher._database, create_app(patient), patient)
    relay = Relay("shared_psql", rows.url, bus, wake_up, RelayOptions(poll_interval=0.05))
    parts = [asyncio.create_task(alone.run(stop)), asyncio.create_task(relay.run(stop))]
    try:
        waiting = add(rows, owner, 4)
        for place in (0, 1):
            await asyncio.to_thread(rows.wait, waiting[place], lambda row: row["status"] == "QUEUED", 30)
        assert statuses(rows, waiting[2:]) == ["PENDING", "PENDING"]
        rows.execute(f"UPDATE instances SET {ending} WHERE id = %s", waiting[0])
        if "deleted" in ending:
            rows.execute("UPDATE instances SET status = 'CANCELLED' WHERE id = %s", waiting[0])
        await asyncio.to_thread(rows.wait, waiting[2], lambda row: row["status"] == "QUEUED", 30)
        assert statuses(rows, waiting[3:]) == ["PENDING"]
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*parts), 30)


async def test_an_ending_that_is_published_again_and_again_gives_one_place(dispatcher: Dispatcher, rows: Rows) -> None:
    owner = new_id()
    waiting = add(rows, owner, 6)
    await dispatcher.admit(owner, reason="created")
    rows.execute("UPDATE instances SET status = 'CANCELLED' WHERE id = %s", waiting[0])
    ended = event("instance.updated", waiting[0], owner_id=owner, status="CANCELLED", terminal=True)
    progress = event("instance.updated", waiting[1], owner_id=owner, status="QUEUED")
    await asyncio.gather(*(dispatcher.handle(one) for one in (ended, progress, ended, ended, progress)))
    assert statuses(rows, waiting) == ["CANCELLED", "QUEUED", "QUEUED", "PENDING", "PENDING", "PENDING"]
    assert len(messages(rows)) == 3


async def test_progress_frees_no_place(dispatcher: Dispatcher, rows: Rows) -> None:
    owner = new_id()
    (waiting,) = add(rows, owner, 1)
    await dispatcher.handle(event("instance.updated", new_id(), owner_id=owner, status="RUNNING"))
    assert statuses(rows, [waiting]) == ["PENDING"]


async def test_a_run_is_sent_in_the_trace_that_made_it_not_in_that_of_the_place(
    dispatcher: Dispatcher, rows: Rows, database: Database
) -> None:
    owner = new_id()
    mine, others = (f"00-{letter * 32}-{letter * 16}-01" for letter in "ab")
    (instance_id,) = add(rows, owner, 1)
    rows.execute("UPDATE instances SET traceparent = %s WHERE id = %s", mine, instance_id)
    rows.execute("DELETE FROM outbox")
    with acting(traceparent=others):
        await dispatcher.handle(event("instance.updated", new_id(), owner_id=owner, status="FAILED", terminal=True))
    assert rows.execute("SELECT traceparent FROM outbox WHERE aggregate_id = %s", instance_id) == [
        {"traceparent": mine}
    ]
    [message] = rows.execute("SELECT message -> 'headers' ->> 'traceparent' AS trace FROM pgmq.q_agents")
    assert message["trace"] == mine


def test_what_a_reaper_does_is_in_the_runs_trace_and_a_requests_in_its_own(rows: Rows) -> None:
    mine, others = (f"00-{letter * 32}-{letter * 16}-01" for letter in "ab")
    instance_id = rows.instance("text-insights", TEXTS)
    rows.execute("UPDATE instances SET traceparent = %s WHERE id = %s", mine, instance_id)
    rows.execute("DELETE FROM outbox")
    rows.execute("UPDATE instances SET status = 'QUEUED' WHERE id = %s", instance_id)
    with psycopg.connect(rows.url) as connection:
        connection.execute("SELECT set_config('botberi.traceparent', %s, true)", (others,))
        connection.execute("UPDATE instances SET status = 'CANCELLED' WHERE id = %s", (instance_id,))
    published = rows.execute(
        "SELECT data ->> 'status' AS status, traceparent FROM outbox WHERE event_type = 'instance.updated' ORDER BY seq"
    )
    assert published == [{"status": "QUEUED", "traceparent": mine}, {"status": "CANCELLED", "traceparent": others}]


async def test_the_sweeper_finds_places_that_were_not_given_away(dispatcher: Dispatcher, rows: Rows) -> None:
    blocked, free = new_id(), new_id()
    of_blocked, of_free = add(rows, blocked, 3), add(rows, free, 1)
    await dispatcher.admit(blocked, reason="created")
    rows.execute("ALTER TABLE instances DISABLE TRIGGER instances_before_update")
    rows.execute("UPDATE instances SET created_at = created_at - interval '1 minute'")
    rows.execute("ALTER TABLE instances ENABLE TRIGGER instances_before_update")
    assert await dispatcher.sweep() == 1
    assert statuses(rows, of_blocked + of_free) == ["QUEUED", "QUEUED", "PENDING", "QUEUED"]
    rows.execute("UPDATE instances SET status = 'CANCELLED' WHERE id = %s", of_blocked[0])
    assert await dispatcher.sweep() == 1
    assert statuses(rows, of_blocked) == ["CANCELLED", "QUEUED", "QUEUED"]


async def test_the_limit_holds_in_a_plan_that_reads_the_waiting_runs_for_each_row(
    dispatcher: Dispatcher, rows: Rows
) -> None:
    """Without hashes and merges Postgres joins by nested loops, as it chooses itself for a few rows."""
    name = psycopg.conninfo.conninfo_to_dict(rows.url)["dbname"]
    for way in ("hashjoin", "mergejoin", "hashagg", "sort", "indexscan", "bitmapscan", "material"):
        rows.execute(f"ALTER DATABASE {name} SET enable_{way} = off")
    try:
        owner = new_id()
        waiting = add(rows, owner, 6)
        assert await dispatcher.admit(owner, reason="created") == 2
        assert statuses(rows, waiting) == ["QUEUED", "QUEUED", "PENDING", "PENDING", "PENDING", "PENDING"]
    finally:
        rows.execute(f"ALTER DATABASE {name} RESET ALL")


async def test_a_run_that_could_not_be_sent_gives_its_place_back(
    bus: MemoryBus, database: Database, two_places: WorkerSettings, rows: Rows, dispatcher: Dispatcher
) -> None:
    away = two_places.model_copy(
        update={"celery_broker_url": "amqp://guest:guest@127.0.0.1:1//", "dispatch_timeout_seconds": 3.0}
    )
    celery: Celery = create_app(away)
    owner = new_id()
    waiting = add(rows, owner, 3)
    with pytest.raises(DispatchError):
        await Dispatcher(bus, database, celery, away).admit(owner, reason="created")
    assert [rows.get(each)["lease_owner"] for each in waiting] == [None, None, None]
    assert await dispatcher.admit(owner, reason="created") == 2


async def test_an_event_that_comes_again_finishes_what_was_begun(dispatcher: Dispatcher, rows: Rows) -> None:
    (instance_id,) = add(rows, new_id(), 1)
    # A dispatcher died after it had admitted the run.
    rows.execute(
        "UPDATE instances SET lease_owner = 'dispatcher', lease_expires_at = now() + interval '1 minute' WHERE id = %s",
        instance_id,
    )
    await dispatcher.handle(created(instance_id))
    assert messages(rows) == [str(instance_id)]


async def test_a_templates_limit_of_attempts_is_its_runs_own(
    rows: Rows, store: RunStore, database: Database, settings: WorkerSettings
) -> None:
    once = rows.instance("text-insights", TEXTS, max_attempts=1)
    often = rows.instance("text-insights", TEXTS, max_attempts=7, attempt=5)
    for instance_id in (once, often):
        assert store.claim(instance_id, "w") is not None
    rows.execute("UPDATE instances SET lease_expires_at = now() - interval '1 second'")
    assert await Reaper(database, settings).reap() == 2
    row = rows.get(once)
    assert (row["status"], row["error_code"]) == ("FAILED", "WORKER_LOST")
    assert "the only attempt" in row["error_message"]
    assert rows.get(often)["status"] == "QUEUED"


async def test_each_attempt_waits_longer_for_the_next(
    rows: Rows, store: RunStore, database: Database, settings: WorkerSettings
) -> None:
    slow = settings.model_copy(update={"run_backoff_seconds": 10.0, "run_backoff_max_seconds": 25.0})
    instance_id = rows.instance("text-insights", TEXTS, max_attempts=9)
    waits = []
    for _ in range(3):
        assert store.claim(instance_id, "w") is not None
        rows.execute("UPDATE instances SET lease_expires_at = now() - interval '1 second'")
        await Reaper(database, slow).reap()
        [row] = rows.execute("SELECT lease_expires_at - clock_timestamp() AS wait FROM instances")
        waits.append(row["wait"].total_seconds())
    assert waits == pytest.approx([10, 20, 25], abs=3)


async def test_of_many_reapers_one_reaps(
    rows: Rows, store: RunStore, database: Database, settings: WorkerSettings, shared_database_url: str
) -> None:
    lost = [rows.instance("text-insights", TEXTS) for _ in range(5)]
    for instance_id in lost:
        assert store.claim(instance_id, "w") is not None
    rows.execute("UPDATE instances SET lease_expires_at = now() - interval '1 second'")
    reaped = await asyncio.gather(*(Reaper(database, settings).reap() for _ in range(6)))
    assert sum(reaped) == 5
    assert len(rows.execute("SELECT 1 FROM instance_history WHERE status = 'QUEUED'")) == 5


async def test_a_waiting_run_whose_attempts_are_used_up_is_ended(
    rows: Rows, database: Database, settings: WorkerSettings
) -> None:
    instance_id = rows.instance("text-insights", TEXTS, attempt=3)
    await Reaper(database, settings).reap()
    row = rows.get(instance_id)
    assert (row["status"], row["error_code"]) == ("FAILED", "ATTEMPTS_EXHAUSTED")


def test_the_next_attempt_tells_its_lines_after_the_lost_ones(rows: Rows, shared_database_url: str) -> None:
    database = SyncDatabase(shared_database_url)
    store = RunStore(database, lease_seconds=1.0, max_attempts=3)
    instance_id = rows.instance("text-insights", TEXTS)
    first = store.claim(instance_id, "one")
    assert first is not None
    rows.execute("UPDATE instances SET lease_expires_at = now() - interval '1 second'")
    second = store.claim(instance_id, "two")
    assert second is not None
    lines = rows.execute("SELECT sequence, attempt, message FROM instance_logs ORDER BY sequence")
    assert [(line["sequence"], line["message"]) for line in lines] == [(1, "Attempt 1 began."), (2, "Attempt 2 began.")]
    database.close()
