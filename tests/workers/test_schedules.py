"""Schedules that come due: one instance a firing however many schedulers look, what is missed, what is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from shared_schema.cron import CronError, next_firing
from shared_schema.database import Database
from shared_schema.ids import new_id
from tests.workers.support import Rows
from workers.schedules import Scheduler
from workers.settings import WorkerSettings


def schedule(rows: Rows, *, due: str = "1 second", cron: str = "* * * * *", **columns: Any) -> UUID:
    """A schedule whose firing was due so long ago."""
    schedule_id = new_id()
    values = {"agent_id": rows.agent("text-insights"), "owner_id": new_id(), **columns}
    names = ", ".join(values)
    rows.execute(
        f"INSERT INTO schedules (id, name, cron, next_fire_at, {names})"
        f" VALUES (%s, 'Every minute', %s, now() - %s::interval, {', '.join(['%s'] * len(values))})",
        schedule_id,
        cron,
        due,
        *values.values(),
    )
    return schedule_id


def made(rows: Rows, schedule_id: UUID) -> list[dict[str, Any]]:
    return rows.execute("SELECT * FROM instances WHERE schedule_id = %s ORDER BY scheduled_for", schedule_id)


def get(rows: Rows, schedule_id: UUID) -> dict[str, Any]:
    [row] = rows.execute("SELECT * FROM schedules WHERE id = %s", schedule_id)
    return row


async def all_due(scheduler: Scheduler) -> None:
    while await scheduler.fire():
        pass


@pytest.fixture
def scheduler(database: Database, settings: WorkerSettings, rows: Rows) -> Scheduler:
    rows.execute("DELETE FROM schedules")
    return Scheduler(database, settings)


async def test_a_firing_makes_an_instance_and_names_the_next(scheduler: Scheduler, rows: Rows) -> None:
    schedule_id = schedule(rows)
    planned = get(rows, schedule_id)["next_fire_at"]
    assert await scheduler.fire()
    assert not await scheduler.fire()
    (instance,) = made(rows, schedule_id)
    row = get(rows, schedule_id)
    assert (instance["status"], instance["name"], instance["scheduled_for"]) == ("PENDING", "Every minute", planned)
    assert row["next_fire_at"] > datetime.now(UTC) - timedelta(seconds=5)
    assert row["next_fire_at"].second == 0
    assert row["last_fired_at"] is not None
    assert rows.execute("SELECT event_type FROM outbox WHERE aggregate_id = %s", instance["id"]) == [
        {"event_type": "instance.created"}
    ]


async def test_many_schedulers_fire_once(scheduler: Scheduler, rows: Rows) -> None:
    schedules = [schedule(rows) for _ in range(6)]
    await asyncio.gather(*(scheduler.fire() for _ in range(24)))
    assert [len(made(rows, each)) for each in schedules] == [1] * 6


async def test_a_scheduler_that_dies_before_the_commit_has_done_nothing(
    scheduler: Scheduler, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule_id = schedule(rows)
    before = get(rows, schedule_id)

    async def dies(*_: object) -> str:
        raise ConnectionError("power")

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "_make", dies)
        with pytest.raises(ConnectionError):
            await scheduler.fire()
    assert get(rows, schedule_id) == before
    assert await scheduler.fire()
    assert len(made(rows, schedule_id)) == 1


def test_the_database_refuses_a_second_instance_of_a_firing(rows: Rows) -> None:
    schedule_id = schedule(rows)
    first, second = rows.instance("text-insights", {}), rows.instance("text-insights", {})
    statement = "UPDATE instances SET schedule_id = %s, scheduled_for = '2026-01-01' WHERE id = %s"
    rows.execute(statement, schedule_id, first)
    with pytest.raises(psycopg.errors.UniqueViolation):
        rows.execute(statement, schedule_id, second)


@pytest.mark.parametrize(("policy", "instances"), [("RUN_ONCE", 1), ("SKIP", 0)])
async def test_what_was_missed_is_made_up_for_once_or_skipped(
    scheduler: Scheduler, rows: Rows, policy: str, instances: int
) -> None:
    schedule_id = schedule(rows, due="3 hours", missed=policy)
    await all_due(scheduler)
    row = get(rows, schedule_id)
    assert len(made(rows, schedule_id)) == instances
    assert row["next_fire_at"] > datetime.now(UTC) - timedelta(seconds=5)
    assert ("missed" in (row["last_error"] or "")) == (policy == "SKIP")


@pytest.mark.parametrize(
    ("policy", "status", "instances"),
    [
        ("SKIP", "PENDING", 1),
        ("SKIP", "RUNNING", 1),
        ("SKIP", "CANCELLED", 2),
        ("ALLOW", "RUNNING", 2),
    ],
)
async def test_a_firing_while_the_last_one_runs_is_skipped_unless_they_may_overlap(
    scheduler: Scheduler, rows: Rows, policy: str, status: str, instances: int
) -> None:
    schedule_id = schedule(rows, overlap=policy)
    await all_due(scheduler)
    if status != "PENDING":
        rows.execute("UPDATE instances SET status = %s WHERE schedule_id = %s", status, schedule_id)
    rows.execute("UPDATE schedules SET next_fire_at = now() - interval '1 second' WHERE id = %s", schedule_id)
    await all_due(scheduler)
    row = get(rows, schedule_id)
    assert len(made(rows, schedule_id)) == instances
    assert ("had not ended" in (row["last_error"] or "")) == (instances == 1)
    assert row["next_fire_at"] > datetime.now(UTC) - timedelta(seconds=5)


async def test_what_was_deleted_or_is_another_schedules_stands_in_nobodys_way(scheduler: Scheduler, rows: Rows) -> None:
    owner = new_id()
    deleted, other, waiting = (schedule(rows, owner_id=owner) for _ in range(3))
    await all_due(scheduler)
    rows.execute("UPDATE instances SET deleted_at = now() WHERE schedule_id = %s", deleted)
    rows.execute("UPDATE instances SET status = 'CANCELLED' WHERE schedule_id = %s", other)
    rows.execute("UPDATE schedules SET next_fire_at = now() - interval '1 second'")
    await all_due(scheduler)
    assert [len(made(rows, each)) for each in (deleted, other, waiting)] == [2, 2, 1]


async def test_paused_and_deleted_schedules_do_not_fire(scheduler: Scheduler, rows: Rows) -> None:
    for column in ("paused_at", "deleted_at"):
        schedule_id = schedule(rows)
        rows.execute(f"UPDATE schedules SET {column} = now(), next_fire_at = NULL WHERE id = %s", schedule_id)
    assert not await scheduler.fire()


async def test_a_firing_that_may_not_start_says_why_and_the_next_may(scheduler: Scheduler, rows: Rows) -> None:
    retired = schedule(rows)
    rows.execute("UPDATE agents SET status = 'RETIRED' WHERE id = %s", get(rows, retired)["agent_id"])
    await all_due(scheduler)
    assert "agent is not published" in get(rows, retired)["last_error"]
    assert made(rows, retired) == []
    owner = new_id()
    for _ in range(20):
        rows.instance("text-insights", {}, owner_id=owner)
    full = schedule(rows, owner_id=owner)
    await all_due(scheduler)
    assert "20 instances" in get(rows, full)["last_error"]
    rows.execute("UPDATE instances SET status = 'CANCELLED' WHERE owner_id = %s", owner)
    rows.execute("UPDATE schedules SET next_fire_at = now() - interval '1 second' WHERE id = %s", full)
    await all_due(scheduler)
    assert (get(rows, full)["last_error"], len(made(rows, full))) == (None, 1)


async def test_an_expression_that_is_none_any_more_pauses_its_schedule_alone(scheduler: Scheduler, rows: Rows) -> None:
    broken, sound = schedule(rows, due="2 seconds", cron="no cron at all"), schedule(rows)
    await all_due(scheduler)
    row = get(rows, broken)
    assert row["paused_at"] is not None
    assert "Paused" in row["last_error"]
    assert len(made(rows, sound)) == 1


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("0 6 * * 1-5", "UTC", "2026-11-27T06:00:00+00:00", "2026-11-30T06:00:00+00:00"),
        ("0 6 * * *", "Europe/Berlin", "2026-07-01T12:00:00+00:00", "2026-07-02T04:00:00+00:00"),
        ("0 6 * * *", "Europe/Berlin", "2026-12-01T12:00:00+00:00", "2026-12-02T05:00:00+00:00"),
        # The clock goes forward over 2:30: it fires right after the gap.
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T00:30:00+00:00", "2026-03-29T01:00:00+00:00"),
        # It goes back over 2:30: it fires in the first of both hours, and next on the next day.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"),
        ("@hourly", "Asia/Kolkata", "2026-01-01T00:00:00+00:00", "2026-01-01T00:30:00+00:00"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_when_an_expression_fires(cron: str, zone: str, after: str, expected: str) -> None:
    assert next_firing(cron, zone, datetime.fromisoformat(after)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("", "UTC"),
        ("* * * *", "UTC"),
        ("* * * * * *", "UTC"),
        ("61 * * * *", "UTC"),
        ("0 0 31 2 *", "UTC"),
        ("* * * * " + "1," * 100, "UTC"),
        ("* * * * *", "Mars/Olympus"),
        ("* * * * *", "../../etc/passwd"),
        ("* * * * *", ""),
        ("* * * * *", "x" * 1000),
    ],
)
def test_what_is_no_expression_or_no_zone_says_so(cron: str, zone: str) -> None:
    with pytest.raises(CronError):
        next_firing(cron, zone, datetime(2026, 1, 1, tzinfo=UTC))
