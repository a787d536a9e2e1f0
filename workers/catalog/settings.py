"""Environment -> the settings of the catalog's worker and of beat; and what both call the queue and its tasks."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shared_schema.settings import AmqpSettings, DatabaseSettings, LogSettings

QUEUE: Final = "catalog"
COUNT_RUNS: Final = "catalog.count_runs"

Seconds = Annotated[float, Field(ge=1, le=86_400)]


class CatalogWorkerSettings(DatabaseSettings, AmqpSettings, LogSettings):
    """Settings of the catalog's background work."""

    # How often the runs of each agent are counted.
    catalog_count_seconds: Seconds = 300.0
    # Where the worker serves its metrics, and on which address; unset: nowhere.
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    host: str = "127.0.0.1"
