"""The caller of a stream or socket, whose credentials are checked repeatedly while it is open."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from botberi_gateway import errors
from botberi_gateway.errors import GatewayError
from botberi_gateway.transport.client import Client
from botberi_gateway.transport.identity import Identity
from botberi_gateway.transport.port import Caller, Credentials, Unauthenticated
from botberi_gateway.transport.problem import VERIFIER_UNAVAILABLE

logger = logging.getLogger(__name__)

#: Checks that may fail one after another (the verifier is down) before the stream ends.
_MAX_FAILURES: Final = 3
#: Seconds for one check.
_TIMEOUT_SECONDS: Final = 5.0


class CallerWatch:
    """The caller of one long-lived connection. Where a check gives another caller, the connection ends."""

    def __init__(self, identity: Identity, credentials: Credentials) -> None:
        self._identity = identity
        self._credentials = credentials
        self._lock: asyncio.Lock | None = None
        self._checked_at = 0.0
        self._failures = 0
        self.caller: Caller | None = None
        #: Grows when a check finds that the same caller may see or do other things than before.
        self.changes = 0

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, with those that a socket's payload brought."""
        return self._credentials.headers

    @property
    def client(self) -> Client:
        """Where the connection comes from."""
        return self._credentials.client

    async def begin(self) -> None:
        """The first check. Raises `Unauthenticated`, or `GatewayError` when the authenticator fails."""
        self.caller = await self._ask()
        self._checked_at = asyncio.get_running_loop().time()

    async def fresh(self, max_age_seconds: float) -> None:
        """Check again unless the last good check is at most `max_age_seconds` old. Raises as `begin` does."""
        if not self._identity.is_checked or self._age() < max_age_seconds:
            return
        # Made here, as most callers ask once and are gone.
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if self._age() < max_age_seconds:
                return
            caller = await self._ask()
            if _subject(caller) != _subject(self.caller):
                raise Unauthenticated("The credentials are no longer valid.")
            if _rights(caller) != _rights(self.caller):
                self.changes += 1
            self.caller = caller
            self._checked_at = asyncio.get_running_loop().time()
            self._failures = 0

    async def still(self, changes: int, max_age_seconds: float) -> None:
        """Let what was made when `changes` stood at this number be delivered, or raise.

        A result that was made with rights which the caller has lost meanwhile is dropped. Raises as `fresh` does,
        and `GatewayError` for changed rights: the client subscribes again, with those that it has now.
        """
        await self.fresh(max_age_seconds)
        if self.changes != changes:
            raise GatewayError("What you may see has changed; subscribe again.", code=errors.FORBIDDEN)

    async def tick(self) -> None:
        """The check of every interval. Raises as `begin` does.

        An authenticator that fails is tried a few more times before the connection ends.
        """
        try:
            await self.fresh(0.0)
        except Unauthenticated:
            raise
        except GatewayError:
            self._failures += 1
            if self._failures >= _MAX_FAILURES:
                raise

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._checked_at

    async def _ask(self) -> Caller | None:
        if not self._identity.is_checked:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._identity.authenticate(self._credentials)
        except Unauthenticated:
            raise
        except Exception as error:
            logger.warning("credentials could not be checked", exc_info=error)
            raise GatewayError("The credentials can't be checked now; try again.", code=VERIFIER_UNAVAILABLE) from error


def _rights(caller: Caller | None) -> object:
    return getattr(caller, "rights", None)


def _subject(caller: Caller | None) -> str | None:
    return caller.subject if caller is not None else None
