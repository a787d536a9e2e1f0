"""A service's name and environment -> the part that keeps `botberi NAME …` running as a process of its own."""

import asyncio
import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress

from botberi.run import installing
from botberi.run.children import child
from botberi.run.supervisor import Part, Ready

#: Starting Python, and what a part loads, on a busy machine.
_START_SECONDS = 120.0
_INSTALL_SECONDS = 900.0


def part(
    name: str, command: Sequence[str], environment: Mapping[str, str], page: str | None, after: Sequence[str] = ()
) -> Part:
    """A replica of a service: `page` answers 200 once it works; one without a page is ready when it runs."""
    variables = dict(os.environ) | dict(environment) | {"BOTBERI_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"}
    if os.geteuid() == 0:
        # Celery warns of root because of pickle; only JSON is accepted here.
        variables |= {"C_FORCE_ROOT": "1", "PYTHONWARNINGS": "ignore:You're running the worker with superuser"}

    async def run(ready: Ready) -> None:
        if command == ("worker",):
            await installing.until_installed()
        program = [sys.executable, "-m", "botberi.cli", *command]
        async with child(name, program, env=variables, stop_timeout=25) as process:
            while process.returncode is None and not await asyncio.to_thread(_answers, page):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            if process.returncode is None:
                ready(page.rpartition("/")[0] if page else "a process of its own")
            code = await process.wait()
        raise ChildProcessError(f"{name} ended with exit code {code}")

    seconds = _START_SECONDS + (_INSTALL_SECONDS if command == ("worker",) and installing.is_pending() else 0.0)
    return Part(name, run, after=after, start_timeout=seconds, stop_timeout=35)


def _answers(page: str | None) -> bool:
    if page is None:
        return True
    with suppress(OSError, ValueError), urllib.request.urlopen(page, timeout=3) as answer:  # noqa: S310 - our own
        return int(answer.status) == 200
    return False
