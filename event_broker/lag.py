"""A database connection, or a RabbitMQ URL -> what waits there, since when, and for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import aio_pika
import asyncpg

from event_broker.link import LinkOptions, close_connection, open_connection
from event_broker.shares import PARTITIONS, relays_of
from event_broker.topology import UNROUTED, QueueSpec

_SHOWN: Final = 10
_OUTBOX: Final = """
    SELECT count(*) FILTER (WHERE published_at IS NULL) AS waiting,
        coalesce(extract(epoch FROM clock_timestamp()
            - min(coalesce(replayed_at, created_at)) FILTER (WHERE published_at IS NULL)), 0)::float8 AS oldest_seconds,
        count(*) FILTER (WHERE published_at IS NULL AND attempts > 0) AS failing,
        count(*) FILTER (WHERE published_at IS NULL AND xid >= pg_snapshot_xmin(pg_current_snapshot())) AS held
    FROM outbox WHERE published_at IS NULL
"""
_SENT: Final = """
    SELECT count(*) AS last_minute, (SELECT max(published_at) FROM outbox) AS last
    FROM outbox WHERE published_at > clock_timestamp() - interval '1 minute'
"""
_FAILING: Final = """
    SELECT seq, event_type, aggregate_id, attempts, last_error, next_attempt_at
    FROM outbox WHERE published_at IS NULL AND attempts > 0 ORDER BY seq LIMIT $1
"""
# Transactions of the whole server count, whichever database they are in.
_HOLDER: Final = """
    SELECT pid, coalesce(application_name, '') AS application, coalesce(state, '?') AS state,
        coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS seconds
    FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
    ORDER BY age(backend_xid) DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class FailingRow:
    """A row whose last attempt failed."""

    seq: int
    event_type: str
    aggregate_id: UUID
    attempts: int
    error: str
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """The open transaction for whose end rows wait."""

    pid: int
    application: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class OutboxLag:
    """Events that wait in one database."""

    database: str
    waiting: int
    oldest_seconds: float
    #: Rows that wait after a failed attempt; the first of them in `failures`.
    failing: int
    #: Rows that wait for older transactions to end; `holder` is the oldest.
    held: int
    relays: int
    #: Of `partitions_total`, those that some relay works on.
    partitions: int
    partitions_total: int
    sent_last_minute: int
    last_sent_at: datetime | None
    failures: tuple[FailingRow, ...]
    holder: Holder | None


@dataclass(frozen=True, slots=True)
class QueueLag:
    """Events that wait on RabbitMQ for one consumer; None where there is no such queue."""

    queue: str
    waiting: int | None
    consumers: int | None
    dead: int | None


async def outbox_lag(connection: asyncpg.Connection, database: str) -> OutboxLag:
    """Ask a database."""
    outbox = await connection.fetchrow(_OUTBOX)
    sent = await connection.fetchrow(_SENT)
    relays, partitions = await relays_of(connection)
    failures = await connection.fetch(_FAILING, _SHOWN) if outbox["failing"] else ()
    holder = await connection.fetchrow(_HOLDER) if outbox["held"] else None
    return OutboxLag(
        database=database,
        waiting=outbox["waiting"],
        oldest_seconds=outbox["oldest_seconds"],
        failing=outbox["failing"],
        held=outbox["held"],
        relays=relays,
        partitions=partitions,
        partitions_total=PARTITIONS,
        sent_last_minute=sent["last_minute"],
        last_sent_at=sent["last"],
        failures=tuple(FailingRow(*row) for row in failures),
        holder=Holder(*holder) if holder else None,
    )


async def queue_lags(url: str, specs: Sequence[QueueSpec], options: LinkOptions | None = None) -> list[QueueLag]:
    """Ask RabbitMQ; what no queue asked for comes last. Raises `BusUnavailable`."""
    connection = await open_connection(url, "botberi-lag", options or LinkOptions())
    try:
        lags = []
        for spec in specs:
            waiting, consumers = await _count(connection, spec.name)
            lags.append(QueueLag(spec.name, waiting, consumers, (await _count(connection, spec.dead_name))[0]))
        unrouted, consumers = await _count(connection, UNROUTED)
        return [*lags, QueueLag(UNROUTED, unrouted, consumers, None)]
    finally:
        await close_connection(connection)


async def _count(connection: aio_pika.abc.AbstractConnection, queue: str) -> tuple[int | None, int | None]:
    # Asking for a queue that is not there closes the channel, so each has its own.
    channel = await connection.channel()
    try:
        asked = await channel.declare_queue(queue, passive=True)
    except aio_pika.exceptions.ChannelNotFoundEntity:
        return None, None
    await channel.close()
    return asked.declaration_result.message_count, asked.declaration_result.consumer_count
