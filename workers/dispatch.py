"""A run that was made, or that ended -> the Celery messages of the runs that have a place now; a sweeper for lost ones.

An ending is heard on the bus, whichever part wrote it: a worker, a reaper, a cancel. A run is admitted before it is
sent (`runs.admission`), and the message is sent before the row is marked: a crash in between sends it twice, which a
claim makes harmless. A row that waits for a worker carries its dispatcher's lease; when it is over, the sweeper sends
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final
from uuid import UUID

from celery import Celery
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from event_broker.bus import Bus, BusError
from shared_schema import killpoints
from shared_schema.contracts.events import Event
from shared_schema.database import Database
from shared_schema.origin import acting
from workers.broker import ensure_pgmq
from workers.logs import brief
from workers.metrics import OLDEST_WAITING, RUNS
from workers.runs.admission import ADMIT, LOCK, NOT_SENT, OWNERS, SENT, Admitted, lock_key
from workers.sender import DispatchError, TaskSender
from workers.settings import WorkerSettings

logger = logging.getLogger(__name__)

DISPATCH_QUEUE = "agents-dispatcher"
CREATED: Final = "instance.created"
DELETED: Final = "instance.deleted"
#: Followed, not queued: the sweeper finds what is missed. (A quorum queue of RabbitMQ 3.10 that gets a message after a
#: crash before it has elected its leader never elects one, and changes of instances come all the time.)
ENDINGS: Final = ("instance.updated", DELETED)
#: Seconds before endings are followed again.
_PAUSE: Final = 1.0
SWEEP_ROWS = 100
STATUSES = ("PENDING", "QUEUED", "RUNNING")

_ROW = text("""
    SELECT id, owner_id, timeout_seconds, traceparent,
        status = 'PENDING' AND lease_owner = 'dispatcher' AND lease_expires_at > clock_timestamp() AS admitted
    FROM instances WHERE id = :id AND status = 'PENDING' AND deleted_at IS NULL AND cancel_requested_at IS NULL
""")
# A claim by this sweeper: rows get a new lease before they are sent, so that two sweepers don't send the same.
# The claim's timeout grows with the waiting time, so that a long queue isn't filled with repeats; with the time since
# the run's last step, for one that was given back after an hour hasn't waited for that hour.
_SWEEP = text("""
    UPDATE instances SET lease_owner = 'sweeper', lease_expires_at = clock_timestamp() + make_interval(
        secs => greatest(:claim_timeout, extract(epoch FROM clock_timestamp() - updated_at) / 2))
    WHERE id = ANY (ARRAY (
        SELECT id FROM instances
        WHERE status = 'QUEUED' AND deleted_at IS NULL AND cancel_requested_at IS NULL
          AND coalesce(lease_expires_at, '-infinity') < clock_timestamp()
        ORDER BY created_at LIMIT :rows FOR UPDATE SKIP LOCKED))
    RETURNING id, timeout_seconds, traceparent
""")
_COUNT = text("""
    SELECT status, count(*) AS rows,
        max(extract(epoch FROM clock_timestamp() - coalesce(queued_at, created_at))) AS oldest
    FROM instances WHERE status IN ('PENDING', 'QUEUED', 'RUNNING') AND deleted_at IS NULL GROUP BY status
""")


class Dispatcher:
    """Moves runs from the bus to Celery until it is stopped."""

    def __init__(self, bus: Bus, database: Database, celery: Celery, settings: WorkerSettings | None = None) -> None:
        self._bus = bus
        self._database = database
        self._settings = settings or WorkerSettings()
        self._sender = TaskSender(celery, timeout_seconds=self._settings.dispatch_timeout_seconds)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume events and sweep until `stop` is set; what was received is finished first."""
        await asyncio.to_thread(ensure_pgmq, self._settings)
        consumer = await self._bus.consume(DISPATCH_QUEUE, (CREATED,), self.handle)
        endings = asyncio.create_task(self._follow_endings(), name="endings")
        logger.info("dispatching runs to Celery")
        try:
            while not stop.is_set():
                await self._sweep_once()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._settings.sweep_interval_seconds)
        finally:
            await consumer.aclose()
            endings.cancel()
            await asyncio.wait({endings}, timeout=_PAUSE)
            self._sender.close()

    async def _follow_endings(self) -> None:
        """Give freed places away until it is cancelled."""
        while True:
            try:
                async with self._bus.follow(ENDINGS) as events:
                    async for event in events:
                        await self.handle(event)
            except (BusError, DispatchError, DBAPIError, OSError) as error:
                logger.warning("endings are not followed, again in %.0f s: %s", _PAUSE, brief(error))
            except Exception:  # whatever it is, the next ending counts as well
                logger.exception("an ending could not be handled")
            await asyncio.sleep(_PAUSE)

    async def handle(self, event: Event) -> None:
        """Send the new run, or leave it to wait for a place of its account; after an ending send the run that waits.

        Raises, and so gets the event again, when broker or database don't answer.
        """
        if event.type != CREATED:
            # Progress is no news here.
            if event.data.owner_id is not None and (event.data.terminal or event.type == DELETED):
                await self.admit(event.data.owner_id, reason="place")
            return
        async with self._database.unit_of_work() as session:
            row = (await session.execute(_ROW, {"id": event.subject})).mappings().one_or_none()
        if row is None:
            return
        killpoints.reach("dispatcher.looked")
        if row["admitted"]:
            # An event that came before: the dispatcher that took it died on the way, or is about to send it as well.
            await self.send(Admitted.of(row), reason="created")
        await self.admit(row["owner_id"], reason="created")

    async def admit(self, owner_id: UUID, *, reason: str) -> int:
        """Send the account's runs that have a place with the workers; how many."""
        values = {
            "owner": owner_id,
            "max_runs": self._settings.runs_per_account,
            "sending": self._settings.dispatch_timeout_seconds * 2,
        }
        async with self._database.unit_of_work() as session:
            await session.execute(LOCK, {"key": lock_key(owner_id)})
            admitted = [Admitted.of(row) for row in (await session.execute(ADMIT, values)).mappings()]
        if admitted:
            killpoints.reach("dispatcher.admitted")
        for place, run in enumerate(admitted):
            try:
                await self.send(run, reason=reason)
            except DispatchError:
                for left in admitted[place:]:
                    async with self._database.unit_of_work() as session:
                        await session.execute(NOT_SENT, {"id": left.instance_id})
                raise
        return len(admitted)

    async def send(self, run: Admitted, *, reason: str) -> None:
        """Send a run's message and mark its row; a row that went on meanwhile is left alone."""
        task_id = await self._sender.send(run, reason=reason)
        killpoints.reach("dispatcher.sent")
        timeout = self._settings.dispatch_claim_timeout_seconds
        values = {"id": run.instance_id, "task_id": task_id, "claim_timeout": timeout}
        # In its own trace: the event at hand may tell of another run, whose place this one has.
        with acting(traceparent=run.traceparent):
            async with self._database.unit_of_work() as session:
                await session.execute(SENT, values)
        killpoints.reach("dispatcher.marked")
        logger.info("run sent", extra={"instance": str(run.instance_id), "task": task_id, "reason": reason})

    async def sweep(self) -> int:
        """Send the runs whose message must have got lost, and those that a place became free for; how many."""
        values = {"claim_timeout": self._settings.dispatch_claim_timeout_seconds, "rows": SWEEP_ROWS}
        async with self._database.unit_of_work() as session:
            waiting = [Admitted.of(row) for row in (await session.execute(_SWEEP, values)).mappings()]
        for run in waiting:
            killpoints.reach("sweeper.claimed")
            await self._sender.send(run, reason="swept")
            killpoints.reach("sweeper.sent")
            logger.warning("run sent again", extra={"instance": str(run.instance_id), "reason": "swept"})
        async with self._database.unit_of_work() as session:
            owners = list(
                (await session.execute(OWNERS, values | {"max_runs": self._settings.runs_per_account})).scalars()
            )
        return len(waiting) + sum([await self.admit(owner, reason="swept") for owner in owners])

    async def _sweep_once(self) -> None:
        try:
            await self.sweep()
            await self._measure()
        except DispatchError as error:
            logger.error("%s", error)
        except (DBAPIError, OSError) as error:
            logger.warning("sweep failed, trying again: %s", brief(error))
        except Exception:  # whatever it is, waiting runs need the next round
            logger.exception("sweep failed")

    async def _measure(self) -> None:
        async with self._database.unit_of_work() as session:
            rows = (await session.execute(_COUNT)).mappings().all()
        by_status = {row["status"]: row for row in rows}
        for status in STATUSES:
            RUNS.labels(status).set(by_status[status]["rows"] if status in by_status else 0)
        waiting = [float(by_status[status]["oldest"]) for status in ("PENDING", "QUEUED") if status in by_status]
        OLDEST_WAITING.set(max(waiting, default=0.0))
