"""Runs of agents, counted by day; and what the catalog makes of the counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared_schema.database import SyncDatabase
from shared_schema.ids import new_id
from tests.workers.support import Rows
from workers.catalog.counting import KEPT_DAYS, OPEN_DAYS, count_runs

TODAY = datetime.now(UTC).date()


@pytest.fixture
def counter(shared_database_url: str, rows: Rows) -> Iterator[SyncDatabase]:
    rows.execute("DELETE FROM agent_days")
    database = SyncDatabase(shared_database_url)
    yield database
    database.close()


def runs(rows: Rows, agent_id: UUID, status: str, count: int, days_ago: int = 0) -> None:
    """Instances as they are once their runs have ended: triggers would refuse the short way."""
    day = datetime.now(UTC) - timedelta(days=days_ago)
    rows.execute("ALTER TABLE instances DISABLE TRIGGER USER")
    for _ in range(count):
        owner = new_id()
        rows.execute(
            "INSERT INTO instances (id, owner_id, workspace_id, agent_id, name, status, created_at)"
            " VALUES (%s, %s, %s, %s, 'x', %s, %s)",
            *(new_id(), owner, owner, agent_id, status, day),
        )
    rows.execute("ALTER TABLE instances ENABLE TRIGGER USER")


def counts(rows: Rows, agent_id: UUID) -> dict[date, tuple[int, int, int]]:
    found: list[dict[str, Any]] = rows.execute("SELECT * FROM agent_days WHERE agent_id = %s", agent_id)
    return {row["day"]: (row["runs"], row["succeeded"], row["failed"]) for row in found}


def test_runs_are_counted_by_agent_and_day(counter: SyncDatabase, rows: Rows) -> None:
    first, second = rows.agent("a"), rows.agent("b")
    runs(rows, first, "SUCCEEDED", 3)
    runs(rows, first, "TIMED_OUT", 1)
    runs(rows, first, "CANCELLED", 1)
    runs(rows, first, "FAILED", 2, days_ago=1)
    runs(rows, second, "QUEUED", 1)
    assert count_runs(counter) == 3
    assert counts(rows, first) == {TODAY: (5, 3, 1), TODAY - timedelta(days=1): (2, 0, 2)}
    assert counts(rows, second) == {TODAY: (1, 0, 0)}


def test_counting_again_changes_what_has_changed(counter: SyncDatabase, rows: Rows) -> None:
    agent = rows.agent("a")
    runs(rows, agent, "SUCCEEDED", 1)
    assert count_runs(counter) == 1
    assert count_runs(counter) == 0
    runs(rows, agent, "FAILED", 1)
    assert count_runs(counter) == 1
    assert counts(rows, agent) == {TODAY: (2, 1, 1)}


def test_days_that_were_missed_are_counted_once_the_counter_is_back(counter: SyncDatabase, rows: Rows) -> None:
    agent = rows.agent("a")
    rows.execute("INSERT INTO agent_days VALUES (%s, current_date - 20, 1, 1, 0)", agent)
    runs(rows, agent, "SUCCEEDED", 2, days_ago=12)
    assert count_runs(counter) == 1
    assert counts(rows, agent)[TODAY - timedelta(days=12)] == (2, 2, 0)


def test_old_counts_go_and_closed_days_are_left(counter: SyncDatabase, rows: Rows) -> None:
    agent = rows.agent("a")
    for days in (KEPT_DAYS + 1, OPEN_DAYS + 5, 0):
        rows.execute("INSERT INTO agent_days VALUES (%s, current_date - %s, 7, 7, 0)", agent, days)
    count_runs(counter)
    assert set(counts(rows, agent)) == {TODAY - timedelta(days=OPEN_DAYS + 5), TODAY}
