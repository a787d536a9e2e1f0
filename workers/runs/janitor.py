"""Files that count for nothing, or whose instance is deleted -> gone from the storage, then from the table."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared_schema.artifacts import Storage, StorageError
from shared_schema.database import Database
from workers.logs import brief
from workers.settings import WorkerSettings

logger = logging.getLogger("workers.janitor")

ROWS = 100
# A holder that is fenced may still be storing a file; it has stopped well before this.
_STALE = text("""
    SELECT a.id, a.storage_key FROM instance_artifacts AS a JOIN instances AS i ON i.id = a.instance_id
    WHERE i.deleted_at IS NOT NULL
       OR (a.promoted_at IS NULL AND a.created_at < clock_timestamp() - make_interval(secs => :grace)
           AND (a.attempt < i.attempt OR i.status <> 'RUNNING'))
    ORDER BY a.created_at LIMIT :rows FOR UPDATE OF a SKIP LOCKED
""")
_FORGET = text("DELETE FROM instance_artifacts WHERE id = ANY(:ids)")


class Janitor:
    """Looks for files that no run needs until it is stopped. Several may run."""

    def __init__(self, database: Database, storage: Storage, settings: WorkerSettings | None = None) -> None:
        self._database = database
        self._storage = storage
        self._settings = settings or WorkerSettings()

    async def run(self, stop: asyncio.Event) -> None:
        """Clean every so often until `stop` is set."""
        while not stop.is_set():
            try:
                while await self.clean() == ROWS and not stop.is_set():
                    pass
            except (DBAPIError, OSError, StorageError) as error:
                logger.warning("cleaning failed, trying again: %s", brief(error))
            except Exception:  # whatever it is, the next round may do better
                logger.exception("cleaning failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.janitor_interval_seconds)

    async def clean(self) -> int:
        """Remove some of them; how many. The row goes last: a crash in between leaves it to be found again."""
        values = {"rows": ROWS, "grace": self._settings.artifact_grace_seconds}
        async with self._database.unit_of_work() as session:
            stale = (await session.execute(_STALE, values)).all()
            gone: list[UUID] = []
            try:
                for artifact_id, key in stale:
                    await asyncio.to_thread(self._storage.delete, key)
                    gone.append(artifact_id)
            finally:
                await session.execute(_FORGET, {"ids": gone})
        if gone:
            logger.info("removed %d files that no run needs", len(gone))
        return len(gone)
