"""A period and kinds of events -> sent rows of an outbox that wait once more, for the relays to publish again.

The events keep their ids and versions: a consumer that has had one ignores it, one that has not gets it. Rows go back
to waiting in batches, each when the one before has left: what happens meanwhile never waits behind all of a replay.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from event_broker.topology import check_pattern, matches
from shared_schema.contracts.events import CONTRACTS

BATCH: Final = 500
# How long a batch may wait for a relay before the replay stops asking for more.
_TIMEOUT_SECONDS: Final = 30.0

_WHERE: Final = """
    published_at IS NOT NULL AND created_at >= $1 AND created_at < $2 AND event_type = ANY($3::text[])
        AND ($4::uuid IS NULL OR aggregate_id = $4) AND (replayed_at IS NULL OR replayed_at < $5)
"""
_PREVIEW: Final = f"""
    SELECT event_type, count(*) AS events, count(DISTINCT aggregate_id) AS aggregates,
        min(created_at) AS first, max(created_at) AS last
    FROM outbox WHERE {_WHERE} GROUP BY event_type ORDER BY event_type
"""  # noqa: S608 - only a constant goes in
_AGAIN: Final = f"""
    UPDATE outbox SET published_at = NULL, replayed_at = clock_timestamp(), next_attempt_at = clock_timestamp(),
        attempts = 0, last_error = NULL
    WHERE seq = ANY (ARRAY (SELECT seq FROM outbox WHERE {_WHERE} ORDER BY seq LIMIT $6 FOR UPDATE))
"""  # noqa: S608 - only a constant goes in
_WAITING: Final = "SELECT count(*) FROM outbox WHERE published_at IS NULL AND replayed_at >= $1"


class ReplayStalled(Exception):
    """No relay takes the rows. Those that were asked for wait, and leave once one runs."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: written from `since` on and before `until`, of some types, of one row or of all."""

    since: datetime
    until: datetime
    topics: tuple[str, ...]
    aggregate: UUID | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """Events of one type that a replay would send."""

    event_type: str
    events: int
    aggregates: int
    first: datetime
    last: datetime


def topics_of(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the event types that topic patterns match, all without any; raises `ValueError` for a useless pattern."""
    known = sorted({topic for topic, _ in CONTRACTS})
    if not patterns:
        return tuple(known)
    chosen: set[str] = set()
    for pattern in patterns:
        check_pattern(pattern)
        matching = [topic for topic in known if matches(pattern, topic)]
        if not matching:
            raise ValueError(f"no event type matches {pattern!r}; there are: {', '.join(known)}")
        chosen.update(matching)
    return tuple(sorted(chosen))


class Replay:
    """One replay of one database's outbox, on a connection of its own."""

    def __init__(
        self, connection: asyncpg.Connection, selection: Selection, *, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        self._connection = connection
        self._selection = selection
        self._timeout_seconds = timeout_seconds

    async def preview(self) -> list[Kind]:
        """Return what `run` would send."""
        now = await self._connection.fetchval("SELECT clock_timestamp()")
        return [Kind(*row) for row in await self._connection.fetch(_PREVIEW, *self._parameters(now))]

    async def oldest(self) -> datetime | None:
        """Return when the oldest event that is still kept was written: nothing before it can come back."""
        moment: datetime | None = await self._connection.fetchval("SELECT min(created_at) FROM outbox")
        return moment

    async def run(self) -> AsyncIterator[int]:
        """Yield how many more rows have left the outbox again, batch by batch; raises `ReplayStalled`."""
        began = await self._connection.fetchval("SELECT clock_timestamp()")
        while True:
            status: str = await self._connection.execute(_AGAIN, *self._parameters(began), BATCH)
            asked = int(status.rpartition(" ")[2])
            if not asked:
                return
            await self._connection.execute("SELECT pg_notify('outbox', '')")
            await self._until_sent(began)
            yield asked

    async def _until_sent(self, began: datetime) -> None:
        deadline = time.monotonic() + self._timeout_seconds
        before: int | None = None
        while waiting := await self._connection.fetchval(_WAITING, began):
            if before is None or waiting < before:
                before, deadline = waiting, time.monotonic() + self._timeout_seconds
            elif time.monotonic() > deadline:
                raise ReplayStalled(f"{waiting} rows have been waiting for {self._timeout_seconds:.0f} s")
            await asyncio.sleep(0.05)

    def _parameters(self, began: datetime) -> tuple[Any, ...]:
        selection = self._selection
        return (selection.since, selection.until, list(selection.topics), selection.aggregate, began)
