"""Real Celery workers: over pgmq on the embedded Postgres, and over RabbitMQ."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from event_broker.memory import MemoryBus
from lab.faults.processes import pool_processes
from shared_schema.database import Database
from tests.support.postgres import TestPostgres
from tests.workers.support import Rows, celery_worker, kill_group
from tests.workers.test_dispatch import created
from workers.celery_app import create_app
from workers.dispatch import Dispatcher
from workers.registry import TEMPLATES
from workers.runs import Reaper
from workers.settings import WorkerSettings

# Real workers start, compute and are killed here, perhaps on a busy machine.
pytestmark = pytest.mark.timeout(240)

# Some seconds of honest work, in many steps.
LONG = {
    "rows": [{f"c{column}": (row * 37 + column * row * 11) % 101 for column in range(20)} for row in range(3_000)],
    "max_clusters": 10,
}


@contextlib.asynccontextmanager
async def platform(bus: MemoryBus, database: Database, settings: WorkerSettings) -> AsyncIterator[None]:
    """The parts around a worker."""
    stop = asyncio.Event()
    parts = [
        asyncio.create_task(Dispatcher(bus, database, create_app(settings), settings).run(stop)),
        asyncio.create_task(Reaper(database, settings).run(stop)),
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*parts), 30)


@pytest.fixture(
    params=["pgmq", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)],
)
def transport(
    request: pytest.FixtureRequest, shared_database_url: str, settings: WorkerSettings
) -> tuple[WorkerSettings, Mapping[str, str]]:
    """The settings and the worker's environment for each of Celery's transports."""
    environment = {"BOTBERI_SHARED_DATABASE_URL": shared_database_url}
    if request.param == "pgmq":
        return settings, environment
    url = request.getfixturevalue("own_amqp_url")
    return settings.model_copy(update={"celery_broker_url": url}), environment | {"BOTBERI_CELERY_BROKER_URL": url}


async def finished(rows: Rows, instance_id: Any) -> dict[str, Any]:
    return await asyncio.to_thread(rows.wait, instance_id)


async def test_runs_go_from_event_to_result(
    transport: tuple[WorkerSettings, Mapping[str, str]],
    bus: MemoryBus,
    database: Database,
    rows: Rows,
    tmp_path: Path,
) -> None:
    settings, environment = transport
    log = tmp_path / "worker.log"
    async with platform(bus, database, settings):
        with celery_worker(environment, log):
            ids = {slug: rows.instance(slug, examples[0].parameters) for slug, examples in TEMPLATES.items()}
            for instance_id in ids.values():
                await bus.publish(created(instance_id))
            ended = {slug: await finished(rows, instance_id) for slug, instance_id in ids.items()}
            wrong = rows.instance("forecast", {"values": [1]})
            await bus.publish(created(wrong))
            failed = await finished(rows, wrong)
    assert {row["status"] for row in ended.values()} == {"SUCCEEDED"}
    assert ended["forecast"]["result"]["method"] == "ridge"
    assert ended["table-clusters"]["result"]["outliers"][0]["label"] == "Vito"
    assert rows.statuses(ids["forecast"]) in (
        ["PENDING", "QUEUED", "RUNNING", "SUCCEEDED"],
        ["PENDING", "RUNNING", "SUCCEEDED"],
    )
    assert (failed["status"], failed["error_code"]) == ("FAILED", "INVALID_PARAMETERS")
    lines = log.read_text().splitlines()
    assert sum(f"run ended instance={ids['forecast']}" in line for line in lines) == 1


async def test_a_worker_killed_in_the_middle_loses_no_run(
    transport: tuple[WorkerSettings, Mapping[str, str]],
    bus: MemoryBus,
    database: Database,
    rows: Rows,
    tmp_path: Path,
) -> None:
    settings, environment = transport
    log = tmp_path / "worker.log"
    async with platform(bus, database, settings):
        with celery_worker(environment, log) as first:
            instance_id = rows.instance("table-clusters", LONG)
            await bus.publish(created(instance_id))
            await asyncio.to_thread(rows.wait, instance_id, lambda row: row["progress"] > 0.1)
            kill_group(first)
            killed = time.monotonic()
            with celery_worker(environment, log):
                row = await finished(rows, instance_id)
    assert (row["status"], row["attempt"]) == ("SUCCEEDED", 2)
    assert time.monotonic() - killed < 80
    assert len(row["result"]["assignments"]) == 3_000
    assert rows.statuses(instance_id).count("SUCCEEDED") == 1


async def test_killed_pool_processes_leave_a_worker_that_works(
    transport: tuple[WorkerSettings, Mapping[str, str]],
    bus: MemoryBus,
    database: Database,
    rows: Rows,
    tmp_path: Path,
) -> None:
    """Idle ones above all: one of them waits for the next task with the lock of all in its hand."""
    settings, environment = transport
    quick = TEMPLATES["forecast"][0].parameters
    async with platform(bus, database, settings):
        with celery_worker(environment, tmp_path / "worker.log", concurrency=2) as worker:
            for _ in range(2):
                instance_id = rows.instance("forecast", quick)
                await bus.publish(created(instance_id))
                assert (await finished(rows, instance_id))["status"] == "SUCCEEDED"
                # Both have gone back to waiting; each is killed in turn while the other lives.
                for pid in await _pool_of_two(worker.pid):
                    os.kill(pid, signal.SIGKILL)
                    async with asyncio.timeout(30):
                        while pid in await _pool_of_two(worker.pid):  # noqa: ASYNC110 - a process sends no signal for it
                            await asyncio.sleep(0.1)


async def _pool_of_two(worker: int) -> list[int]:
    """The worker's pool processes, once there are two of them that wait."""
    async with asyncio.timeout(30):
        while len(found := pool_processes(worker)) != 2:  # noqa: ASYNC110 - a process sends no signal for it
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    return found


async def test_cancel_reaches_a_run_in_a_worker(
    bus: MemoryBus,
    database: Database,
    settings: WorkerSettings,
    shared_database_url: str,
    rows: Rows,
    tmp_path: Path,
) -> None:
    async with platform(bus, database, settings):
        with celery_worker({"BOTBERI_SHARED_DATABASE_URL": shared_database_url}, tmp_path / "worker.log"):
            instance_id = rows.instance("table-clusters", LONG)
            await bus.publish(created(instance_id))
            await asyncio.to_thread(rows.wait, instance_id, lambda row: row["progress"] > 0.1)
            rows.execute("UPDATE instances SET cancel_requested_at = now() WHERE id = %s", instance_id)
            asked = time.monotonic()
            row = await finished(rows, instance_id)
    assert (row["status"], row["result"]) == ("CANCELLED", None)
    assert time.monotonic() - asked < 10


async def test_a_run_outlives_a_restart_of_postgres(
    bus: MemoryBus,
    database: Database,
    settings: WorkerSettings,
    postgres: TestPostgres,
    rows: Rows,
    tmp_path: Path,
) -> None:
    environment = {"BOTBERI_SHARED_DATABASE_URL": rows.url, "BOTBERI_RUN_LEASE_SECONDS": "15"}
    log = tmp_path / "worker.log"
    async with platform(bus, database, settings):
        with celery_worker(environment, log) as worker:
            instance_id = rows.instance("table-clusters", LONG)
            await bus.publish(created(instance_id))
            await asyncio.to_thread(rows.wait, instance_id, lambda row: row["progress"] > 0.1)
            await asyncio.to_thread(postgres.server.stop)
            await asyncio.to_thread(postgres.server.start)
            row = await finished(rows, instance_id)
            after = rows.instance("tabular-anomaly", {"rows": [{"a": n % 5} for n in range(50)]})
            await bus.publish(created(after))
            assert (await finished(rows, after))["status"] == "SUCCEEDED"
            assert worker.poll() is None
    assert (row["status"], row["attempt"]) == ("SUCCEEDED", 1)
    assert "AttributeError" not in log.read_text()
