"""A database connection -> the outbox's rows that may leave now, and what became of them."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import asyncpg

from event_broker.shares import PARTITION
from shared_schema.contracts.events import Event
from shared_schema.outbox import to_event

_WAITING_SHOWN: Final = 10_000
_STATISTICS: Final = """
    SELECT numbackends, xact_commit, xact_rollback, blks_hit, blks_read, deadlocks, temp_bytes,
        pg_database_size(current_database()) AS size, current_setting('max_connections')::int AS max_connections
    FROM pg_stat_database WHERE datname = current_database()
"""

# A row may leave when every transaction that began before its own has ended: then none can still
# commit a row that comes before it. Within an aggregate the row lock orders `seq`, so a row also waits
# for the earlier ones of its aggregate, whether those wait for a transaction or for their next attempt.
_READY: Final = f"""
    SELECT seq, id, aggregate_type, aggregate_id, event_type, data_version, data, created_at, attempts, actor,
        traceparent
    FROM outbox AS row
    WHERE published_at IS NULL
        AND {PARTITION} = ANY($2::int[])
        AND xid < pg_snapshot_xmin(pg_current_snapshot())
        AND next_attempt_at <= now()
        AND NOT EXISTS (
            SELECT FROM outbox AS earlier
            WHERE earlier.published_at IS NULL
                AND earlier.aggregate_type = row.aggregate_type
                AND earlier.aggregate_id = row.aggregate_id
                AND earlier.seq < row.seq
                AND (earlier.xid >= pg_snapshot_xmin(pg_current_snapshot()) OR earlier.next_attempt_at > now())
        )
    ORDER BY seq
    LIMIT $1
"""  # noqa: S608 - only a constant goes in
_HELD: Final = f"""
    SELECT EXISTS (
        SELECT FROM outbox WHERE published_at IS NULL AND next_attempt_at <= now() AND {PARTITION} = ANY($1::int[])
    )
"""  # noqa: S608 - only a constant goes in
_MARK: Final = """
    UPDATE outbox SET published_at = clock_timestamp(), attempts = attempts + 1, last_error = NULL
    WHERE seq = ANY($1::bigint[]) AND published_at IS NULL
    RETURNING extract(epoch FROM published_at - coalesce(replayed_at, created_at))::float8
"""
_FAIL: Final = """
    UPDATE outbox SET attempts = attempts + 1, last_error = $2, next_attempt_at = clock_timestamp() + $3::interval
    WHERE seq = $1 AND published_at IS NULL
"""
# Rows are chosen once, in an array or a WITH: a subquery of IN may be read again for each row, each time with others.
_PRUNE: Final = """
    DELETE FROM outbox WHERE seq = ANY (ARRAY (
        SELECT seq FROM outbox WHERE published_at < now() - $1::interval
        ORDER BY published_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
"""
_BACKLOG: Final = """
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float8,
        count(*) FILTER (WHERE attempts > 0)
    FROM (SELECT coalesce(replayed_at, created_at) AS since, attempts FROM outbox WHERE published_at IS NULL
        ORDER BY seq LIMIT $1) AS waiting
"""
# Without FOR UPDATE, for which the broker's role would need the right to change rows of the inbox.
_FORGET: Final = """
    WITH old AS MATERIALIZED (
        SELECT consumer, event_id FROM inbox WHERE handled_at < now() - $1::interval LIMIT $2
    )
    DELETE FROM inbox USING old WHERE (inbox.consumer, inbox.event_id) = (old.consumer, old.event_id)
"""


#: The settings of a relay's session: waiting rows are read in the order of their index, some at a time. After an outage
#: statistics know nothing of the backlog yet, and the planner would sort all of it for each batch: 9 s instead of 1 ms
#: with 100,000 rows, measured.
PLANNING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "enable_sort": "off",
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "max_parallel_workers_per_gather": "0",
        # What is off costs so much on paper that compiling the query would seem worth it.
        "jit": "off",
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that may leave."""

    seq: int
    id: UUID
    aggregate: tuple[str, UUID]
    event_type: str
    data: dict[str, Any]
    created_at: datetime
    attempts: int
    data_version: int
    actor: str | None
    traceparent: str

    def event(self, database: str) -> Event:
        """Return it as an event; raises `ValueError` when it is none."""
        return to_event(
            row_id=self.id,
            database=database,
            event_type=self.event_type,
            data_version=self.data_version,
            aggregate_id=self.aggregate[1],
            created_at=self.created_at,
            data=self.data,
            actor=self.actor,
            traceparent=self.traceparent,
        )


class Outbox:
    """The outbox of one database, on one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    @property
    def lost(self) -> bool:
        """True if the session is over, and with it the right to publish."""
        return bool(self._connection.is_closed())

    async def ready(self, limit: int, partitions: Collection[int]) -> list[Row]:
        """Return the next rows of some partitions in order."""
        return [
            Row(
                seq=record["seq"],
                id=record["id"],
                aggregate=(record["aggregate_type"], record["aggregate_id"]),
                event_type=record["event_type"],
                data=json.loads(record["data"]),
                created_at=record["created_at"],
                attempts=record["attempts"],
                data_version=record["data_version"],
                actor=record["actor"],
                traceparent=record["traceparent"],
            )
            for record in await self._connection.fetch(_READY, limit, list(partitions))
        ]

    async def held(self, partitions: Collection[int]) -> bool:
        """True if rows wait for nothing but other transactions to end."""
        return bool(await self._connection.fetchval(_HELD, list(partitions)))

    async def mark_published(self, rows: Sequence[int]) -> list[float]:
        """Mark rows as sent, and return how many seconds each took from write to mark."""
        return [record[0] for record in await self._connection.fetch(_MARK, rows)]

    async def mark_failed(self, row: int, error: str, pause: float) -> None:
        """Keep a row for another attempt after a pause."""
        await self._connection.execute(_FAIL, row, error.replace("\0", "")[:1000], timedelta(seconds=pause))

    async def prune(self, older_than: timedelta, limit: int) -> int:
        """Delete rows that were published long ago, some at a time; return how many."""
        return _count(await self._connection.execute(_PRUNE, older_than, limit))

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """Delete what the inbox remembers of long ago, some at a time; return how many rows."""
        return _count(await self._connection.execute(_FORGET, older_than, limit))

    async def statistics(self) -> Mapping[str, float]:
        """The server's own counts for this database, by the columns of `pg_stat_database`."""
        record = await self._connection.fetchrow(_STATISTICS)
        return {name: float(value) for name, value in record.items()} if record else {}

    async def backlog(self) -> tuple[int, float, int]:
        """Return how many rows wait (counted up to ten thousand), the oldest's age and how many of them failed."""
        record = await self._connection.fetchrow(_BACKLOG, _WAITING_SHOWN)
        return (record[0], record[1], record[2]) if record else (0, 0.0, 0)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
