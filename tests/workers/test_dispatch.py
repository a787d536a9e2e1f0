"""From the bus to Celery: sent once, sent again when lost, never for what doesn't wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from celery import Celery

from event_broker.memory import MemoryBus
from shared_schema.contracts.events import Event
from shared_schema.database import Database
from shared_schema.ids import new_id
from tests.workers.support import Rows
from workers.broker import ensure_pgmq
from workers.celery_app import create_app
from workers.dispatch import Dispatcher
from workers.runs.admission import Admitted
from workers.sender import DispatchError
from workers.settings import WorkerSettings

TEXTS = {"texts": ["Good."]}


def event(kind: str, instance_id: UUID, **data: Any) -> Event:
    return Event(
        id=new_id(),
        source="botberi/shared_psql",
        type=kind,
        subject=instance_id,
        data={"id": instance_id, "version": 1, "owner_id": new_id(), "agent_id": new_id(), "status": "PENDING"} | data,
    )


def created(instance_id: UUID) -> Event:
    return event("instance.created", instance_id)


def messages(rows: Rows) -> list[str]:
    """The runs whose messages are in Celery's queue."""
    found = rows.execute("SELECT message->'body' AS body FROM pgmq.q_agents ORDER BY msg_id")
    import base64
    import json

    return [json.loads(base64.b64decode(row["body"]))[1]["instance_id"] for row in found]


@pytest.fixture
def dispatcher(bus: MemoryBus, database: Database, settings: WorkerSettings, rows: Rows) -> Dispatcher:
    ensure_pgmq(settings)
    if rows.execute("SELECT to_regclass('pgmq.q_agents') AS name")[0]["name"]:
        rows.execute("DELETE FROM pgmq.q_agents")
    return Dispatcher(bus, database, create_app(settings), settings)


@contextlib.asynccontextmanager
async def running(dispatcher: Dispatcher) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(dispatcher.run(stop))
    yield
    stop.set()
    await asyncio.wait_for(task, 20)


async def test_an_event_becomes_a_message_and_a_queued_row(dispatcher: Dispatcher, bus: MemoryBus, rows: Rows) -> None:
    instance_id = rows.instance("text-insights", TEXTS)
    async with running(dispatcher):
        await asyncio.sleep(0.2)
        await bus.publish(created(instance_id))
        row = await asyncio.to_thread(rows.wait, instance_id, lambda row: row["status"] == "QUEUED")
    assert messages(rows) == [str(instance_id)]
    assert row["celery_task_id"]
    assert row["queued_at"] is not None


async def test_the_same_event_again_sends_nothing(dispatcher: Dispatcher, rows: Rows) -> None:
    instance_id = rows.instance("text-insights", TEXTS)
    for _ in range(3):
        await dispatcher.handle(created(instance_id))
    assert messages(rows) == [str(instance_id)]


@pytest.mark.parametrize(
    "columns", [{"status": "CANCELLED"}, {"status": "RUNNING"}, {"deleted_at": "2026-01-01"}], ids=str
)
async def test_what_does_not_wait_is_not_sent(dispatcher: Dispatcher, rows: Rows, columns: dict[str, Any]) -> None:
    instance_id = rows.instance("text-insights", TEXTS, **columns)
    before = rows.get(instance_id)
    await dispatcher.handle(created(instance_id))
    await dispatcher.handle(created(new_id()))
    assert rows.get(instance_id) == before
    assert not rows.execute("SELECT to_regclass('pgmq.q_agents') AS name")[0]["name"] or messages(rows) == []


async def test_a_worker_quicker_than_its_dispatcher_keeps_the_run(dispatcher: Dispatcher, rows: Rows) -> None:
    instance_id = rows.instance("text-insights", TEXTS, status="RUNNING", attempt=1)
    await dispatcher.send(Admitted(instance_id, None, None), reason="created")
    assert rows.get(instance_id)["status"] == "RUNNING"


async def test_the_sweeper_sends_what_got_lost_once_per_claim_timeout(dispatcher: Dispatcher, rows: Rows) -> None:
    lost = rows.instance("text-insights", TEXTS)
    fresh = rows.instance("text-insights", TEXTS)
    # Its event was lost with a bus; its message was lost with a broker.
    rows.execute(
        "UPDATE instances SET status = 'QUEUED', lease_owner = 'x', lease_expires_at = now() WHERE id = %s", lost
    )
    assert await dispatcher.sweep() == 1
    assert messages(rows) == [str(lost)]
    assert await dispatcher.sweep() == 0
    await asyncio.sleep(4.2)
    assert await dispatcher.sweep() == 2
    assert messages(rows)[1:] in ([str(lost), str(fresh)], [str(fresh), str(lost)])
    assert rows.get(fresh)["status"] == "QUEUED"


async def test_a_broker_that_is_away_leaves_the_row_and_raises(
    bus: MemoryBus, database: Database, settings: WorkerSettings, rows: Rows
) -> None:
    away = settings.model_copy(
        update={"celery_broker_url": "amqp://guest:guest@127.0.0.1:1//", "dispatch_timeout_seconds": 3.0}
    )
    celery: Celery = create_app(away)
    instance_id = rows.instance("text-insights", TEXTS)
    with pytest.raises(DispatchError):
        await Dispatcher(bus, database, celery, away).handle(created(instance_id))
    assert rows.get(instance_id)["status"] == "PENDING"
