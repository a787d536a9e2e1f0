"""Needs of the platform's gateway -> the checks of its `/ready`: identity, and the bus."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from botberi.wiring.internal_call import InternalCall
from botberi_gateway.server.app import ReadinessCheck

#: Seconds for which an answer about identity holds: `/ready` may be asked by anybody, as often as they like.
_VALID_FOR: Final = 1.0
_TIMEOUT: Final = 2.0


class IdentityCheck:
    """Asks identity's own `/health`, which asks its database; at most once a second."""

    def __init__(self, identity: InternalCall, clock: Callable[[], float] = time.monotonic) -> None:
        self._identity = identity
        self._clock = clock
        self._lock = asyncio.Lock()
        self._valid_until = float("-inf")
        self._problem: str | None = None

    async def __call__(self) -> str | None:
        """Why callers can't be verified; None while they can."""
        async with self._lock:
            if self._clock() >= self._valid_until:
                self._problem = await self._ask()
                self._valid_until = self._clock() + _VALID_FOR
            return self._problem

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                status, _ = await self._identity.get("/health")
        except Exception as error:
            # A part of this process raises what it likes while it is away.
            return f"identity is away, so no caller can be verified ({type(error).__name__})"
        return None if status == 200 else f"identity is not healthy (its /health answers {status})"


def checks(identity: InternalCall, bus_problem: Callable[[], str | None]) -> Mapping[str, ReadinessCheck]:
    """By the name under which `/ready` lists the problem."""

    async def bus() -> str | None:
        return bus_problem()

    return {"identity": IdentityCheck(identity), "bus": bus}
