"""The databases -> the rows and events of the evidence, and the progress of the runs."""

from collections import Counter
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from lab.faults.evidence import Change, Evidence, Row

_PROGRESS: Final = """
    SELECT count(*), count(*) FILTER (WHERE status NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT')),
        coalesce(sum(version), 0)::bigint, (SELECT count(*) FROM outbox WHERE published_at IS NULL)
    FROM instances
"""
_ROWS: Final = "SELECT id, idempotency_key AS key, status, version, attempt, result::jsonb AS result FROM instances"
_CHANGES: Final = """
    SELECT id, aggregate_id AS aggregate, version, data ->> 'status' AS status,
        coalesce((data ->> 'terminal')::boolean, false) AS terminal, published_at IS NOT NULL AS published,
        event_type AS type
    FROM outbox ORDER BY seq
"""
_FACTS: Final = """
    SELECT status, attempt, coalesce(error_code, '') AS error, count(*) AS runs,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))::float8 AS median,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))::float8 AS p99,
        max(extract(epoch FROM finished_at - created_at))::float8 AS longest
    FROM instances GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of instances, of those that have not ended, and of events that wait in the outbox."""

    made: int
    open: int
    #: Grows with every change.
    versions: int
    unpublished: int


def progress(url: str) -> Progress | None:
    """Ask the database; None when it does not answer."""
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            found = connection.execute(_PROGRESS).fetchone()
    except psycopg.Error:
        return None
    return Progress(*found) if found else None


def unheard(shared_url: str, user_url: str, heard: set[UUID]) -> int:
    """Count the events of the outboxes that are not in `heard`, the ones that the audit received."""
    missing = 0
    for url in (shared_url, user_url):
        with psycopg.connect(url, connect_timeout=10) as connection:
            missing += sum(row[0] not in heard for row in connection.execute("SELECT id FROM outbox"))
    return missing


def gather(shared_url: str, user_url: str, evidence: Evidence) -> None:
    """Read the tables into the evidence."""
    with psycopg.connect(shared_url, connect_timeout=10) as connection:
        evidence.rows = connection.cursor(row_factory=class_row(Row)).execute(_ROWS).fetchall()
        evidence.changes = connection.cursor(row_factory=class_row(Change)).execute(_CHANGES).fetchall()
    with psycopg.connect(user_url, connect_timeout=10) as connection:
        evidence.changes += connection.cursor(row_factory=class_row(Change)).execute(_CHANGES).fetchall()


def facts(url: str) -> tuple[Counter[str], list[dict[str, object]]]:
    """Runs by status, and a table of how they ended."""
    with psycopg.connect(url, connect_timeout=10, row_factory=dict_row) as connection:
        rows = connection.execute(_FACTS).fetchall()
    statuses: Counter[str] = Counter()
    for row in rows:
        statuses[row["status"]] += row["runs"]
    return statuses, rows
