"""Passwords -> argon2id hashes and verdicts, on a few threads of their own, never on the event loop."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from subgraphs.identity.breached_passwords import is_breached
from subgraphs.identity.common_passwords import is_common
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.turns import Applicant, Turns

MINIMUM_LENGTH = 12
MAXIMUM_LENGTH = 256
MINIMUM_DISTINCT = 5
COMMON = "This password is one that attackers try first; take another."

T = TypeVar("T")


def normalised(password: str) -> str:
    """The one form in which a password is hashed: the same keys give the same text on every keyboard."""
    return unicodedata.normalize("NFKC", password)


def weakness(password: str, email: str, display_name: str) -> str | None:
    """Why a password may not be chosen, or None: its length, being one's name, being made of common words.

    There are no rules of composition. `Passwords.is_breached` knows the long list, which takes too long for the loop.
    """
    # Before it is normalised: that takes long for a text of megabytes.
    text = normalised(password) if len(password) <= MAXIMUM_LENGTH else password
    if len(text) > MAXIMUM_LENGTH:
        return f"The password may have at most {MAXIMUM_LENGTH} characters."
    if len(text) < MINIMUM_LENGTH:
        return f"The password needs at least {MINIMUM_LENGTH} characters."
    if not _can_be_typed(text):
        return "The password holds a character that can't be typed."
    if len(set(text)) < MINIMUM_DISTINCT:
        return f"The password needs at least {MINIMUM_DISTINCT} different characters."
    folded = text.casefold()
    if folded in {email.casefold(), email.partition("@")[0].casefold(), display_name.casefold()}:
        return "The password must not be the address or the name."
    if is_common(text):
        return COMMON
    return None


def _can_be_typed(text: str) -> bool:
    """True if a text is one that can be hashed: NUL ends it for some, and half a character has no UTF-8."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def hasher(settings: IdentitySettings) -> PasswordHasher:
    """Argon2id with the costs that the settings name."""
    return PasswordHasher(
        time_cost=settings.password_time_cost,
        memory_cost=settings.password_memory_kib,
        parallelism=settings.password_parallelism,
    )


class Passwords:
    """Hashes and verifies on a few threads that clients get in turn (`Turns`)."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._hasher = hasher(settings)
        self._threads = ThreadPoolExecutor(settings.password_threads, thread_name_prefix="argon2")
        self._turns = Turns(settings.password_threads, settings.password_queue, settings.password_queue_per_client)
        # An unknown address is checked against this hash, so that it takes as long as a known one.
        self._no_account = self._hasher.hash("the hash of no account")

    async def hash(self, password: str, applicant: Applicant) -> str:
        """The PHC string to store."""
        return await self._run(applicant, lambda: self._hasher.hash(normalised(password)))

    async def matches(self, password: str, stored: str | None, applicant: Applicant) -> bool:
        """True if the password belongs to the hash; without a hash never, after the same work."""
        usable = len(password) <= MAXIMUM_LENGTH and _can_be_typed(password)
        text = normalised(password) if usable else ""
        matched = await self._run(applicant, lambda: self._verify(text, stored or self._no_account))
        return matched and stored is not None and usable

    async def is_breached(self, password: str, applicant: Applicant) -> bool:
        """True if a password that has no other weakness is in the list of common and breached ones."""
        return await self._run(applicant, lambda: is_breached(normalised(password)))

    def is_outdated(self, stored: str) -> bool:
        """True if the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, text: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, text)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, applicant: Applicant, work: Callable[[], T]) -> T:
        await self._turns.acquire(applicant)
        try:
            future = self._threads.submit(work)
        except BaseException:
            self._turns.release()
            raise
        # The place is given back when the thread is done with it: a caller who gives up frees no thread.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._turns.release))
        return await asyncio.wrap_future(future)
