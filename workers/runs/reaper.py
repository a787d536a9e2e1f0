"""Runs whose lease ran out -> queued for another attempt, or ended with the reason."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared_schema import killpoints
from shared_schema.database import Database
from workers.logs import brief
from workers.metrics import REAPED
from workers.settings import WorkerSettings

logger = logging.getLogger("workers.reaper")

REAPED_ROWS = 100
# Any number, the same in every process: of many reapers one reaps, the others look again in their next round.
_REAPER_LOCK = 0x626F74726561
_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
# One statement, so that a worker that renews at this moment either comes before it or finds itself fenced. The
# requeued row's lease is the time that it waits: once it is over, the sweeper sends it.
_REAP = text("""
    WITH lost AS (
        SELECT id, attempt, lease_owner AS holder,
            CASE WHEN cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL THEN 'CANCELLED'
                 WHEN attempt < coalesce(max_attempts, :max_attempts) THEN 'QUEUED' ELSE 'FAILED' END AS outcome,
            least(:backoff_max, :backoff * power(2, attempt - 1)) AS wait
        FROM instances
        WHERE status = 'RUNNING' AND lease_expires_at < clock_timestamp()
        ORDER BY lease_expires_at LIMIT :rows FOR UPDATE SKIP LOCKED)
    UPDATE instances AS i SET
        status = lost.outcome,
        error_code = CASE lost.outcome WHEN 'CANCELLED' THEN 'CANCELLED' WHEN 'FAILED' THEN 'WORKER_LOST' END,
        error_message = CASE lost.outcome WHEN 'CANCELLED' THEN 'Cancelled.' WHEN 'FAILED' THEN
            'The worker was lost during ' || CASE i.attempt WHEN 1 THEN 'the only attempt'
            ELSE 'each of ' || i.attempt || ' attempts' END || ': it crashed, was stopped, or was cut off.' END,
        progress = CASE lost.outcome WHEN 'QUEUED' THEN 0 ELSE i.progress END,
        progress_message = CASE lost.outcome WHEN 'QUEUED'
            THEN 'The worker was lost; attempt ' || i.attempt + 1 || ' follows.' ELSE i.progress_message END,
        celery_task_id = CASE lost.outcome WHEN 'QUEUED' THEN NULL ELSE i.celery_task_id END,
        lease_owner = CASE lost.outcome WHEN 'QUEUED' THEN 'reaper' END,
        lease_expires_at = CASE lost.outcome WHEN 'QUEUED'
            THEN clock_timestamp() + make_interval(secs => lost.wait) END
    FROM lost WHERE i.id = lost.id
    RETURNING i.id, i.attempt, i.status, lost.holder
""")
# Runs that no other part would end: a cancel came between a worker's claim and its loss, or all attempts are used up.
_END_WAITING = text("""
    WITH waiting AS (
        SELECT id, cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL AS stops FROM instances
        WHERE status IN ('PENDING', 'QUEUED') AND (cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL
            OR attempt >= coalesce(max_attempts, :max_attempts))
        LIMIT :rows FOR UPDATE SKIP LOCKED)
    UPDATE instances AS i SET
        status = CASE WHEN waiting.stops THEN 'CANCELLED' ELSE 'FAILED' END,
        error_code = CASE WHEN NOT waiting.stops THEN 'ATTEMPTS_EXHAUSTED' END,
        error_message = CASE WHEN NOT waiting.stops THEN 'None of ' || i.attempt || ' attempts came to a result.' END,
        lease_owner = NULL, lease_expires_at = NULL
    FROM waiting WHERE i.id = waiting.id
    RETURNING i.id, i.status
""")


class Reaper:
    """Looks for lost runs until it is stopped. Of several reapers one works at a time."""

    def __init__(self, database: Database, settings: WorkerSettings | None = None) -> None:
        self._database = database
        self._settings = settings or WorkerSettings()

    async def run(self, stop: asyncio.Event) -> None:
        """Reap every few seconds until `stop` is set."""
        logger.info("watching for lost runs")
        while not stop.is_set():
            try:
                await self.reap()
            except (DBAPIError, OSError) as error:
                logger.warning("reaping failed, trying again: %s", brief(error))
            except Exception:  # whatever it is, lost runs need the next round
                logger.exception("reaping failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.reaper_interval_seconds)

    async def reap(self) -> int:
        """Take every expired run from its holder; how many. None while another reaper is at it."""
        limits = {"rows": REAPED_ROWS, "max_attempts": self._settings.run_max_attempts}
        waits = {
            "backoff": self._settings.run_backoff_seconds,
            "backoff_max": self._settings.run_backoff_max_seconds,
        }
        async with self._database.unit_of_work() as session:
            if not (await session.execute(_LOCK, {"key": _REAPER_LOCK})).scalar_one():
                return 0
            rows = (await session.execute(_REAP, limits | waits)).mappings().all()
            if rows:
                killpoints.reach("reaper.reaping")
            ended = (await session.execute(_END_WAITING, limits)).mappings().all()
        if rows:
            killpoints.reach("reaper.reaped")
        for row in rows:
            REAPED.labels(row["status"].lower()).inc()
            logger.warning(
                "run lost its worker",
                extra={
                    "instance": str(row["id"]),
                    "attempt": row["attempt"],
                    "holder": row["holder"],
                    "outcome": row["status"],
                },
            )
        for row in ended:
            logger.info("waiting run ended", extra={"instance": str(row["id"]), "outcome": row["status"]})
        return len(rows)
