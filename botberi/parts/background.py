"""A loop that runs until it is stopped -> a part."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from botberi.run.supervisor import Part, Ready

#: A loop that could not begin says so within this time.
_PROBATION: Final = 0.2
#: How often a loop is asked whether it is ready.
_LOOK: Final = 0.05

Loop = Callable[[asyncio.Event], Awaitable[None]]


def together(*loops: Loop) -> Loop:
    """Several loops as one, which ends when all have; one that fails ends the others."""

    async def run(stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(_run(loop, stop))

    return run


async def _run(loop: Loop, stop: asyncio.Event) -> None:
    await loop(stop)


def part(
    name: str,
    loop: Loop,
    where: str,
    *,
    is_ready: Callable[[], bool] = lambda: True,
    after: Sequence[str] = (),
    timeout_seconds: float = 15.0,
) -> Part:
    """`loop(stop)` works until `stop` is set, and ends what it has begun within `timeout_seconds` seconds."""

    async def run(ready: Ready) -> None:
        stop = asyncio.Event()
        task = asyncio.ensure_future(loop(stop))
        try:
            await asyncio.wait({task}, timeout=_PROBATION)
            while not task.done() and not is_ready():
                await asyncio.wait({task}, timeout=_LOOK)
            if not task.done():
                ready(where)
            await asyncio.shield(task)
        except asyncio.CancelledError:
            stop.set()
            done, _ = await asyncio.wait({task}, timeout=timeout_seconds)
            if not done:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            raise

    return Part(name, run, after=after, stop_timeout=timeout_seconds + 5)
