"""The states of a run on Postgres: claims, fencing, leases, one ending."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from uuid import uuid4

import psycopg
import pytest

from shared_schema.database import Database
from tests.workers.support import Rows
from workers.runs import Claim, Fenced, Reaper, RunStore
from workers.settings import WorkerSettings

TEXTS = {"texts": ["Good."]}


def claimed(store: RunStore, rows: Rows, owner: str = "one") -> Claim:
    claim = store.claim(rows.instance("text-insights", TEXTS), owner)
    assert claim is not None
    return claim


def test_a_claim_takes_the_row_and_tells_what_to_run(store: RunStore, rows: Rows) -> None:
    claim = claimed(store, rows)
    row = rows.get(claim.run.instance_id)
    assert (row["status"], row["attempt"], row["lease_owner"]) == ("RUNNING", 1, "one")
    assert row["lease_expires_at"] > row["started_at"]
    assert claim.run.workflow == "text-insights"
    assert claim.run.parameters == TEXTS
    assert store.claim(claim.run.instance_id, "two") is None


def test_one_of_many_claims_wins(store: RunStore, rows: Rows) -> None:
    instance_id = rows.instance("text-insights", TEXTS)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda number: store.claim(instance_id, f"w{number}"), range(16)))
    assert sum(claim is not None for claim in claims) == 1
    assert rows.get(instance_id)["attempt"] == 1


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"cancel_requested_at": "2026-01-01"}, "CANCELLED"),
        ({"deleted_at": "2026-01-01"}, "CANCELLED"),
        ({"status": "FAILED"}, "FAILED"),
        ({"attempt": 3}, "PENDING"),
    ],
    ids=["cancelled", "deleted", "ended", "attempts used up"],
)
def test_what_is_not_to_be_run_is_not_claimed(
    store: RunStore, rows: Rows, columns: dict[str, object], status: str
) -> None:
    instance_id = rows.instance("text-insights", TEXTS, **columns)
    assert store.claim(instance_id, "one") is None
    assert rows.get(instance_id)["status"] == status


def test_a_missing_row_is_no_error(store: RunStore) -> None:
    missing = uuid4()
    assert store.claim(missing, "one") is None
    assert store.state(missing) == "missing"


def test_a_run_ends_once(store: RunStore, rows: Rows) -> None:
    claim = claimed(store, rows)
    store.progress(claim, 0.5, "half")
    store.finish(claim, "SUCCEEDED", result={"answer": 42})
    row = rows.get(claim.run.instance_id)
    assert (row["status"], row["result"], row["progress"], row["lease_owner"]) == ("SUCCEEDED", {"answer": 42}, 1, None)
    assert row["finished_at"] is not None
    for write in (
        lambda: store.finish(claim, "FAILED", code="X", message="late"),
        lambda: store.progress(claim, 0.9, "late"),
        lambda: store.renew(claim),
        lambda: store.watch(claim),
        lambda: store.release(claim, "late"),
    ):
        with pytest.raises(Fenced):
            write()
    assert rows.get(claim.run.instance_id) == row
    with pytest.raises(psycopg.errors.CheckViolation):
        rows.execute("UPDATE instances SET status = 'FAILED' WHERE id = %s", claim.run.instance_id)


def test_the_older_attempt_writes_nothing(store: RunStore, rows: Rows) -> None:
    old = claimed(store, rows, "old")
    time.sleep(1.1)
    new = store.claim(old.run.instance_id, "new")
    assert new is not None
    assert new.run.attempt == 2
    for write in (
        lambda: store.finish(old, "SUCCEEDED", result={"from": "old"}),
        lambda: store.progress(old, 0.9, "old"),
        lambda: store.renew(old),
    ):
        with pytest.raises(Fenced):
            write()
    store.finish(new, "SUCCEEDED", result={"from": "new"})
    assert rows.get(old.run.instance_id)["result"] == {"from": "new"}
    assert rows.statuses(old.run.instance_id) == ["PENDING", "RUNNING", "SUCCEEDED"]


def test_renewals_hold_a_run_beyond_its_first_lease_without_news(store: RunStore, rows: Rows) -> None:
    claim = claimed(store, rows)
    version = rows.get(claim.run.instance_id)["version"]
    for _ in range(4):
        time.sleep(0.4)
        assert not store.renew(claim).cancelled
    assert store.claim(claim.run.instance_id, "two") is None
    assert rows.get(claim.run.instance_id)["version"] == version


def test_the_holder_hears_of_a_cancel(store: RunStore, rows: Rows) -> None:
    claim = claimed(store, rows)
    assert not store.watch(claim).cancelled
    rows.execute("UPDATE instances SET cancel_requested_at = now() WHERE id = %s", claim.run.instance_id)
    assert store.watch(claim).cancelled
    assert store.renew(claim).cancelled
    assert store.progress(claim, 0.1, "x").cancelled
    store.finish(claim, "CANCELLED", code="CANCELLED", message="Cancelled.")
    assert rows.get(claim.run.instance_id)["status"] == "CANCELLED"


def test_a_run_that_shall_stop_does_not_succeed(store: RunStore, rows: Rows) -> None:
    claim = claimed(store, rows)
    rows.execute("UPDATE instances SET cancel_requested_at = now() WHERE id = %s", claim.run.instance_id)
    assert store.finish(claim, "SUCCEEDED", result={"from": "a step that did not look"}) == "CANCELLED"
    row = rows.get(claim.run.instance_id)
    assert (row["status"], row["error_code"], row["result"]) == ("CANCELLED", "CANCELLED", None)


async def test_the_reaper_gives_a_lost_run_another_attempt_and_then_ends_it(
    store: RunStore, rows: Rows, settings: WorkerSettings, database: Database
) -> None:
    reaper = Reaper(database, settings)
    claim = claimed(store, rows)
    assert await reaper.reap() == 0
    for attempt in (1, 2, 3):
        row = rows.get(claim.run.instance_id)
        assert (row["status"], row["attempt"]) == ("RUNNING", attempt)
        await asyncio.sleep(1.1)
        assert await reaper.reap() == 1
        row = rows.get(claim.run.instance_id)
        if attempt < 3:
            assert row["status"] == "QUEUED"
            assert f"attempt {attempt + 1}" in row["progress_message"]
            assert store.claim(claim.run.instance_id, f"next {attempt}") is not None
    assert (row["status"], row["error_code"]) == ("FAILED", "WORKER_LOST")
    assert "3 attempts" in row["error_message"]
    with pytest.raises(Fenced):
        store.finish(claim, "SUCCEEDED", result={})


async def test_the_reaper_ends_cancelled_runs_without_a_holder(
    store: RunStore, rows: Rows, settings: WorkerSettings, database: Database
) -> None:
    waiting = rows.instance("text-insights", TEXTS, cancel_requested_at="2026-01-01")
    lost = claimed(store, rows)
    rows.execute("UPDATE instances SET cancel_requested_at = now() WHERE id = %s", lost.run.instance_id)
    await asyncio.sleep(1.1)
    await Reaper(database, settings).reap()
    assert rows.get(waiting)["status"] == "CANCELLED"
    row = rows.get(lost.run.instance_id)
    assert (row["status"], row["error_code"], row["lease_owner"]) == ("CANCELLED", "CANCELLED", None)


def test_a_released_run_is_there_to_be_claimed(store: RunStore, rows: Rows) -> None:
    claim = claimed(store, rows)
    store.release(claim, "crashed")
    assert rows.get(claim.run.instance_id)["status"] == "QUEUED"
    again = store.claim(claim.run.instance_id, "two")
    assert again is not None
    assert again.run.attempt == 2
