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
# One statement, so that a worker that renews at this moment either comes before it or finds itself fenced. The
# requeued row's lease is over at once: the sweeper sends it in its next round.
_REAP = text("""
    WITH lost AS (
        SELECT id, attempt, lease_owner AS holder FROM instances
        WHERE status = 'RUNNING' AND lease_expires_at < clock_timestamp()
        ORDER BY lease_expires_at LIMIT :rows FOR UPDATE SKIP LOCKED)
    UPDATE instances AS i SET
        status = CASE WHEN i.cancel_requested_at IS NOT NULL OR i.deleted_at IS NOT NULL THEN 'CANCELLED'
                      WHEN i.attempt < :max_attempts THEN 'QUEUED' ELSE 'FAILED' END,
        error_code = CASE WHEN i.cancel_requested_at IS NOT NULL OR i.deleted_at IS NOT NULL THEN 'CANCELLED'
                          WHEN i.attempt < :max_attempts THEN NULL ELSE 'WORKER_LOST' END,
        error_message = CASE WHEN i.cancel_requested_at IS NOT NULL OR i.deleted_at IS NOT NULL THEN 'Cancelled.'
                             WHEN i.attempt < :max_attempts THEN NULL
                             ELSE 'The worker was lost during each of ' || i.attempt || ' attempts.' END,
        progress = CASE WHEN i.attempt < :max_attempts THEN 0 ELSE i.progress END,
        progress_message = CASE WHEN i.attempt < :max_attempts
                                THEN 'The worker was lost; attempt ' || i.attempt + 1 || ' follows.'
                                ELSE i.progress_message END,
        lease_owner = CASE WHEN i.attempt < :max_attempts AND i.cancel_requested_at IS NULL AND i.deleted_at IS NULL
                           THEN 'reaper' END,
        lease_expires_at = CASE WHEN i.attempt < :max_attempts AND i.cancel_requested_at IS NULL
                                     AND i.deleted_at IS NULL THEN clock_timestamp() END
    FROM lost WHERE i.id = lost.id
    RETURNING i.id, i.attempt, i.status, lost.holder
""")
# A cancel that came between a worker's claim and its loss leaves a waiting row: nobody else would end it.
_CANCEL = text("""
    UPDATE instances SET status = 'CANCELLED', lease_owner = NULL, lease_expires_at = NULL
    WHERE id IN (
        SELECT id FROM instances
        WHERE status IN ('PENDING', 'QUEUED') AND (cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL)
        LIMIT :rows FOR UPDATE SKIP LOCKED)
    RETURNING id
""")


class Reaper:
    """Looks for lost runs until it is told to stop. Several may run."""

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
        """Take every expired run from its holder; how many."""
        values = {"rows": REAPED_ROWS, "max_attempts": self._settings.run_max_attempts}
        async with self._database.unit_of_work() as session:
            rows = (await session.execute(_REAP, values)).mappings().all()
            if rows:
                killpoints.reach("reaper.reaping")
            cancelled = (await session.execute(_CANCEL, {"rows": REAPED_ROWS})).scalars().all()
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
        for instance_id in cancelled:
            logger.info("waiting run cancelled", extra={"instance": str(instance_id)})
        return len(rows)
