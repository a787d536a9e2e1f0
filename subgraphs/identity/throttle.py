"""Tries that are counted together -> go ahead, or wait. Counted in Postgres, so that all replicas count together."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from shared_schema.models import SignInThrottle
from subgraphs.common.context import Store
from subgraphs.common.errors import Refusal
from subgraphs.identity import repository
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.turns import Turns

FIRST_WAIT_SECONDS = 30.0
# Refusals of one bucket are at most one entry of the audit log in this time.
REPORTED_EVERY = timedelta(minutes=1)
SWEEP_CHANCE = 0.01
# Longer than any window; what is older counts for nothing. Whatever clients send, the table grows no larger.
KEPT = timedelta(days=2)
MAX_ROWS = 200_000
# Buckets whose refusal a process remembers for a moment, so that a flood costs it no queries.
_MAX_REMEMBERED = 10_000
# What is asked of the database before a password is looked at goes on so often at once; each takes a connection of the
# pool, which verifying credentials and every other request need too.
_PLACES, _WAITING, _WAITING_PER_CLIENT = 4, 512, 64
_REMEMBERED_SECONDS = 1.0


class ThrottledRefusal(Refusal):
    """Too many tries; `retry_after` seconds from now it may work."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        super().__init__(f"Too many tries; try again in {self.retry_after} s.")


@dataclass(frozen=True)
class Bucket:
    """Tries that are counted together, under a name that only its hash is kept of.

    Without `max_wait_seconds` tries fade: `limit` at once, and then `limit` in `window_seconds`. With it, each try
    beyond `limit` has to wait twice as long as the one before, up to that many seconds; a window without a try resets.
    """

    name: str
    limit: int
    window_seconds: float
    max_wait_seconds: float | None = None

    @cached_property
    def key(self) -> bytes:
        """Key under which the bucket is stored."""
        return hashlib.sha256(self.name.encode()).digest()

    def level(self, row: SignInThrottle, now: datetime) -> float:
        """How many tries count now."""
        since = max(row.updated_at, row.blocked_until or row.updated_at)
        elapsed = max(0.0, (now - since).total_seconds())
        if self.max_wait_seconds is None:
            return max(0.0, row.level - elapsed * self.limit / self.window_seconds)
        return row.level if elapsed <= self.window_seconds else 0.0

    def wait(self, row: SignInThrottle, now: datetime) -> float:
        """Seconds until one more try is admitted; 0 when it is now."""
        if self.max_wait_seconds is None:
            beyond = self.level(row, now) + 1 - self.limit
            return max(0.0, beyond * self.window_seconds / self.limit)
        return max(0.0, (row.blocked_until - now).total_seconds()) if row.blocked_until else 0.0

    def add(self, row: SignInThrottle, now: datetime) -> None:
        """Count one try."""
        row.level = self.level(row, now) + 1
        row.updated_at = now
        if self.max_wait_seconds is not None:
            beyond = row.level - self.limit
            wait = min(FIRST_WAIT_SECONDS * 2 ** min(beyond, 16), self.max_wait_seconds)
            row.blocked_until = now + timedelta(seconds=wait) if beyond >= 0 else None
        # All columns are written whether they changed or not: one statement for all buckets, whatever was counted
        # before.
        for column in ("level", "updated_at", "blocked_until"):
            flag_modified(row, column)

    def take_back(self, row: SignInThrottle) -> None:
        """Count one try less."""
        row.level = max(0.0, row.level - 1)
        if row.level < self.limit:
            row.blocked_until = None


class Throttle:
    """Counts tries before they are checked, so that a thousand at once count as a thousand."""

    def __init__(self, store: Store) -> None:
        self._store = store
        #: Clients that are being counted: they have turns, so that one that sends a thousand requests waits behind
        #: itself.
        self.entrance = Turns(_PLACES, _WAITING, _WAITING_PER_CLIENT)
        # A bucket's key -> until when it is refused without asking, and until when it is refused at all.
        self._refusing: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    async def count(self, buckets: Sequence[Bucket], denied: AuditFact) -> None:
        """Count one try in each bucket, or in none. Raises `ThrottledRefusal` and writes `denied` to the audit log."""
        for bucket in buckets:
            known_until, refused_until = self._refusing.get(bucket.key, (0.0, 0.0))
            if known_until > time.monotonic():
                raise ThrottledRefusal(refused_until - time.monotonic())
        if random.random() < SWEEP_CHANCE:  # noqa: S311 - chance, not a secret
            await self._sweep()
        async with self._store.unit_of_work() as session:
            rows = await repository.lock_throttles(session, [bucket.key for bucket in buckets])
            now = await repository.database_clock(session)
            wait, fullest = max(
                ((bucket.wait(rows[bucket.key], now), bucket) for bucket in buckets), key=lambda each: each[0]
            )
            if wait == 0:
                for bucket in buckets:
                    bucket.add(rows[bucket.key], now)
                return
            refusal, row = ThrottledRefusal(wait), rows[fullest.key]
            self._remember(fullest, wait)
            if row.reported_until is not None and row.reported_until > now:
                raise refusal  # Rolled back: what is refused makes no rows.
            row.reported_until = now + REPORTED_EVERY
            await repository.audit(session, denied)
        raise refusal

    async def forgive(self, buckets: Sequence[Bucket]) -> None:
        """The try was a right one: what backs off starts from nothing, what fades counts it no more."""
        self._forget(buckets)
        async with self._store.unit_of_work() as session:
            locked = await self._take_back(session, buckets)
            # Only what is locked, in the one order of all, is deleted. A counter that was made again meanwhile may be
            # locked by another try, which waits for one of ours: waiting for it would be a deadlock.
            backing_off = [bucket.key for bucket in buckets if bucket.max_wait_seconds is not None]
            await repository.clear_throttles(session, [key for key in backing_off if key in locked])

    async def uncount(self, buckets: Sequence[Bucket]) -> None:
        """The try wasn't checked at all."""
        self._forget(buckets)
        async with self._store.unit_of_work() as session:
            await self._take_back(session, buckets)

    async def _take_back(self, session: AsyncSession, buckets: Sequence[Bucket]) -> Mapping[bytes, SignInThrottle]:
        """Count one try less in each bucket that has a counter; the counters, which are locked."""
        rows = await repository.lock_known_throttles(session, [bucket.key for bucket in buckets])
        for bucket in buckets:
            if (row := rows.get(bucket.key)) is not None:
                bucket.take_back(row)
        return rows

    async def _sweep(self) -> None:
        async with self._store.unit_of_work() as session:
            await repository.sweep_throttles(session, KEPT, MAX_ROWS)

    def _remember(self, bucket: Bucket, wait: float) -> None:
        now = time.monotonic()
        self._refusing[bucket.key] = now + min(wait, _REMEMBERED_SECONDS), now + wait
        self._refusing.move_to_end(bucket.key)
        if len(self._refusing) > _MAX_REMEMBERED:
            self._refusing.popitem(last=False)

    def _forget(self, buckets: Sequence[Bucket]) -> None:
        for bucket in buckets:
            self._refusing.pop(bucket.key, None)
