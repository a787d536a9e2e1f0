"""Passwords -> argon2id hashes and verdicts, on a few threads of their own, never on the event loop."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from subgraphs.common.errors import Unavailable
from subgraphs.identity.common_passwords import is_common
from subgraphs.identity.settings import IdentitySettings

MINIMUM_LENGTH = 12
MAXIMUM_LENGTH = 256
MINIMUM_DISTINCT = 5

T = TypeVar("T")


def normalised(password: str) -> str:
    """The one form in which a password is hashed: the same keys give the same text on every keyboard."""
    return unicodedata.normalize("NFKC", password)


def weakness(password: str, email: str, display_name: str) -> str | None:
    """Why a password may not be chosen, or None. Length and not being one's name; no rules of composition."""
    # Before it is normalised: that takes long for a text of megabytes.
    text = normalised(password) if len(password) <= MAXIMUM_LENGTH else password
    if len(text) > MAXIMUM_LENGTH:
        return f"The password may have at most {MAXIMUM_LENGTH} characters."
    if len(text) < MINIMUM_LENGTH:
        return f"The password needs at least {MINIMUM_LENGTH} characters."
    if "\x00" in text:
        return "The password holds a character that nobody can type."
    if len(set(text)) < MINIMUM_DISTINCT:
        return f"The password needs at least {MINIMUM_DISTINCT} different characters."
    folded = text.casefold()
    if folded in {email.casefold(), email.partition("@")[0].casefold(), display_name.casefold()}:
        return "The password must not be the address or the name."
    if is_common(text):
        return "This password is one that attackers try first; take another."
    return None


class Passwords:
    """Hashes and verifies, a bounded number at once and a bounded number waiting."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_time_cost,
            memory_cost=settings.password_memory_kib,
            parallelism=settings.password_parallelism,
        )
        self._threads = ThreadPoolExecutor(settings.password_threads, thread_name_prefix="argon2")
        self._admitted = settings.password_threads + settings.password_queue
        self._running = 0
        # What an unknown address is checked against, so that it takes as long as a known one.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The PHC string to store."""
        return await self._run(lambda: self._hasher.hash(normalised(password)))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password belongs to the hash; without a hash never, after the same work."""
        usable = len(password) <= MAXIMUM_LENGTH and "\x00" not in password
        text = normalised(password) if usable else ""
        matched = await self._run(lambda: self._verify(text, stored or self._nobody))
        return matched and stored is not None and usable

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, text: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, text)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._running >= self._admitted:
            raise Unavailable("Too many sign-ins at once; try again in a moment.")
        self._running += 1
        future = self._threads.submit(work)
        # Counted until the thread is done with it: a caller who gives up frees no thread.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self._running -= 1
