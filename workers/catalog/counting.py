"""Instances -> `agent_days`: runs of each agent by the day of their making, counted again while they may end."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared_schema.database import PoolOptions, SyncDatabase
from workers.logs import brief

logger = logging.getLogger("workers.catalog")

#: Days whose runs may still end: a run takes at most a day, and may wait for as long before it.
OPEN_DAYS = 3
#: Days that are kept; the catalog shows 30.
KEPT_DAYS = 400
#: The first count after a long silence reads many days of instances.
STATEMENT_SECONDS = 300.0

# Days before the open ones are counted once more if nothing counted them since they closed.
_COUNT = text("""
    INSERT INTO agent_days (agent_id, day, runs, succeeded, failed)
    SELECT agent_id, (created_at AT TIME ZONE 'UTC')::date, count(*),
        count(*) FILTER (WHERE status = 'SUCCEEDED'), count(*) FILTER (WHERE status IN ('FAILED', 'TIMED_OUT'))
    FROM instances
    WHERE created_at >= (
        SELECT least(current_date - :open_days, coalesce(max(day), current_date - :kept_days))
        FROM agent_days
    )
    GROUP BY 1, 2
    ON CONFLICT (agent_id, day) DO UPDATE
        SET runs = excluded.runs, succeeded = excluded.succeeded, failed = excluded.failed
        WHERE (agent_days.runs, agent_days.succeeded, agent_days.failed)
            IS DISTINCT FROM (excluded.runs, excluded.succeeded, excluded.failed)
""")
_FORGET = text("DELETE FROM agent_days WHERE day < current_date - :kept_days")


def count_runs(database: SyncDatabase) -> int:
    """Count again, and return how many rows changed. Counting twice, or at once, gives the same rows."""
    with database.unit_of_work() as session:
        changed = session.execute(_COUNT, {"open_days": OPEN_DAYS, "kept_days": KEPT_DAYS}).rowcount  # type: ignore[attr-defined]
        session.execute(_FORGET, {"kept_days": KEPT_DAYS})
    return int(changed)


def open_database(url: str) -> SyncDatabase:
    """The database as this work needs it: one connection, and time for one long statement."""
    return SyncDatabase(
        url,
        PoolOptions(
            pool_size=1,
            max_overflow=0,
            statement_timeout_seconds=STATEMENT_SECONDS,
            application_name="botberi-catalog-worker",
        ),
    )


class Counting:
    """Counts every so often until it is stopped: what beat and the catalog's worker do, in one process without them."""

    def __init__(self, url: str, interval_seconds: float) -> None:
        self._url = url
        self._interval = interval_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Count until `stop` is set."""
        database = open_database(self._url)
        try:
            while not stop.is_set():
                try:
                    await asyncio.to_thread(count_runs, database)
                except (DBAPIError, OSError) as error:
                    logger.warning("runs can't be counted, trying again: %s", brief(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._interval)
        finally:
            database.close()
