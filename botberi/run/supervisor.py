"""Parts -> all of them running and healthy; a part that dies is reported and started again, or ends the platform."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from botberi.run import logs
from botberi.run.errors import StartError
from botberi_gateway.backoff import pause_after

logger = logging.getLogger(__name__)

#: A part that ran this long starts its next restart without waiting, as if it had never failed.
_HEALTHY_AFTER: Final = 60.0
_FIRST_PAUSE: Final = 0.5
_MAX_PAUSE: Final = 15.0

#: Called once by a part when it is healthy, with the address where it can be found.
Ready = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """`run` works until it is cancelled; returning or raising means that the part died."""

    name: str
    run: Callable[[Ready], Awaitable[None]]
    #: Parts that must be healthy before this one starts.
    after: Sequence[str] = ()
    start_timeout: float = 60.0
    stop_timeout: float = 15.0
    #: Deaths in a row after which the platform gives up.
    give_up_after: int = 5


@dataclass(slots=True)
class _State:
    healthy: asyncio.Event = field(default_factory=asyncio.Event)
    where: str = ""
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs parts of one process. `start` returns when all are healthy, `wait` when the platform must end."""

    def __init__(self) -> None:
        #: What was started together, in the order of the starts.
        self._waves: list[tuple[Part, ...]] = []
        self._states: dict[str, _State] = {}
        self._failure: asyncio.Future[StartError] = asyncio.get_running_loop().create_future()

    @property
    def where(self) -> dict[str, str]:
        """Address of each part, as the part reported it."""
        return {name: state.where for name, state in self._states.items()}

    async def start(self, *parts: Part) -> None:
        """Start every part as soon as those before it are healthy; raise `StartError` when one can't be."""
        self._waves.append(parts)
        self._states |= {part.name: _State() for part in parts}
        for part in parts:
            self._states[part.name].task = asyncio.create_task(self._keep(part), name=f"part {part.name}")
        healthy = asyncio.create_task(self._all_healthy())
        failed = asyncio.create_task(self.wait())
        try:
            await asyncio.wait({healthy, failed}, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                await failed
        finally:
            healthy.cancel()
            failed.cancel()

    async def _all_healthy(self) -> None:
        for state in self._states.values():
            await state.healthy.wait()

    async def wait(self) -> None:
        """Until a part can't be kept alive: raises `StartError`."""
        raise await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Stop parts, each within its `stop_timeout` and after those that need it; the first started ones last."""
        for parts in reversed(self._waves):
            await asyncio.gather(*(self._stop(part, parts) for part in parts))
        if not self._failure.done():
            self._failure.cancel()

    async def _stop(self, part: Part, beside: Sequence[Part]) -> None:
        task = self._states[part.name].task
        if task is None or task.done():
            return
        for other in beside:
            user = self._states[other.name].task
            if part.name in other.after and user is not None and not user.done():
                await asyncio.wait({user}, timeout=other.stop_timeout + 1)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=part.stop_timeout)
        if not done:
            logger.error("did not stop within %.0f s and is left", part.stop_timeout, extra={"part": part.name})

    async def _keep(self, part: Part) -> None:
        """Run one part again and again, until cancelled or given up."""
        for name in part.after:
            if name in self._states:
                await self._states[name].healthy.wait()
        state, deaths = self._states[part.name], 0
        with logs.speaking_as(part.name):
            while True:
                began = time.monotonic()
                reason = await self._once(part, state)
                was_healthy = state.healthy.is_set()
                deaths = 1 if time.monotonic() - began > _HEALTHY_AFTER else deaths + 1
                if isinstance(reason, StartError) and not was_healthy:
                    return self._give_up(reason)
                if deaths >= part.give_up_after:
                    return self._give_up(
                        StartError(
                            f"{part.name} died {deaths} times in a row, so the platform stops. "
                            f"Last: {_reason_text(reason)}"
                        )
                    )
                pause = pause_after(deaths, _FIRST_PAUSE, _MAX_PAUSE)
                logger.error(
                    "%s died (%s); starting it again in %.1f s", part.name, _reason_text(reason), pause, exc_info=reason
                )
                await asyncio.sleep(pause)

    async def _once(self, part: Part, state: _State) -> BaseException | None:
        """Run a part until it dies; the reason, or None when it simply returned."""
        ready = asyncio.Event()

        def tell(where: str) -> None:
            state.where = where
            ready.set()
            if not state.healthy.is_set():
                state.healthy.set()
            logger.info("ready %s", where)

        task = asyncio.ensure_future(part.run(tell))
        try:
            waiter = asyncio.create_task(ready.wait())
            await asyncio.wait({task, waiter}, timeout=part.start_timeout, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            if not ready.is_set() and not task.done():
                await _end(task)
                return TimeoutError(f"not healthy within {part.start_timeout:.0f} s")
            await asyncio.wait({task})
            # A library may cancel what a part waits for. That is the part's death, not the end of its keeper.
            return RuntimeError("it was cancelled from within") if task.cancelled() else task.exception()
        except asyncio.CancelledError:
            await _end(task)
            raise

    def _give_up(self, reason: StartError) -> None:
        if not self._failure.done():
            self._failure.set_result(reason)


async def _end(task: asyncio.Future[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def _reason_text(reason: BaseException | None) -> str:
    if reason is None:
        return "it ended by itself"
    return f"{type(reason).__name__}: {reason}"
