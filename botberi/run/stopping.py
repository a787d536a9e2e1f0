"""Ctrl-C, SIGTERM or SIGHUP -> an event; running parts -> kept until it is set, then stopped."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from typing import Final

from botberi.run.supervisor import Supervisor

logger = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Set by the first signal; the second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(number: signal.Signals) -> None:
        if stop.is_set():
            logger.warning("%s again: ending at once", number.name)
            os._exit(130)
        logger.info("%s: stopping; once more to end at once", number.name)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, ask, number)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def until_stopped(supervisor: Supervisor, stop: asyncio.Event) -> int:
    """Until somebody wants the end (0), or a part can't be kept alive (1)."""
    failed = asyncio.create_task(supervisor.wait(), name="failure")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({failed, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            logger.error("%s", failed.exception())
            return 1
        return 0
    finally:
        failed.cancel()
        stopped.cancel()
