"""Tries to sign in -> go ahead, or wait: by address in Postgres, for all replicas; by process in memory."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections import deque
from datetime import timedelta

from subgraphs.common.context import Store
from subgraphs.common.errors import Refusal
from subgraphs.identity import repository
from subgraphs.identity.settings import IdentitySettings

# Beyond this a counter says nothing more; it also keeps the column (a smallint) from overflowing.
MAXIMUM_FAILURES = 1000
SWEEP_CHANCE = 0.01


class ThrottledRefusal(Refusal):
    """Too many tries; `retry_after` seconds from now it may work."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        super().__init__(f"Too many tries; try again in {self.retry_after} s.")


class SignInGate:
    """Counts tries before they are checked, so that a thousand at once count as a thousand."""

    def __init__(self, store: Store, settings: IdentitySettings) -> None:
        self._store = store
        self._settings = settings
        self._recent: deque[float] = deque(maxlen=settings.sign_ins_per_minute)

    def enter(self) -> None:
        """Count one sign-in or registration of this process, or refuse it."""
        now = time.monotonic()
        if len(self._recent) == self._recent.maxlen and now - self._recent[0] < 60:
            raise ThrottledRefusal(60 - (now - self._recent[0]))
        self._recent.append(now)

    async def attempt(self, address: str) -> None:
        """Count one try for an address, or refuse it while the address has to wait."""
        settings = self._settings
        async with self._store.unit_of_work() as session:
            if random.random() < SWEEP_CHANCE:  # noqa: S311 - chance, not a secret
                longest = max(settings.sign_in_window_seconds, settings.sign_in_longest_wait_seconds)
                await repository.forget_old_throttles(session, timedelta(seconds=2 * longest))
            counter = await repository.lock_throttle(session, _key(address))
            now = await repository.database_now(session)
            if counter.blocked_until is not None and counter.blocked_until > now:
                raise ThrottledRefusal((counter.blocked_until - now).total_seconds())
            if now - counter.updated_at > timedelta(seconds=settings.sign_in_window_seconds):
                counter.failures = 0
            counter.failures = min(counter.failures + 1, MAXIMUM_FAILURES)
            beyond = counter.failures - settings.sign_in_attempts
            if beyond >= 0:
                wait = min(30.0 * 2 ** min(beyond, 16), settings.sign_in_longest_wait_seconds)
                counter.blocked_until = now + timedelta(seconds=wait)
            counter.updated_at = now

    async def succeeded(self, address: str) -> None:
        """Forget the tries: the password was right."""
        async with self._store.unit_of_work() as session:
            await repository.clear_throttle(session, _key(address))


def _key(address: str) -> bytes:
    return hashlib.sha256(f"email:{address}".encode()).digest()
