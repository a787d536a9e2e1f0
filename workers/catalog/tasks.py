"""The tasks of the queue `catalog`."""

from __future__ import annotations

import logging
from functools import lru_cache

from shared_schema.database import SyncDatabase
from workers.catalog.app import app
from workers.catalog.counting import count_runs, open_database
from workers.catalog.settings import COUNT_RUNS, CatalogWorkerSettings

logger = logging.getLogger("workers.catalog")


@lru_cache(maxsize=1)
def _database() -> SyncDatabase:
    return open_database(CatalogWorkerSettings().require_shared_database_url())


@app.task(name=COUNT_RUNS)  # type: ignore[untyped-decorator]
def count() -> None:
    """Count the runs of each agent again."""
    logger.info("runs counted", extra={"changed": count_runs(_database())})
