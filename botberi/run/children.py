"""A command -> a child process whose lines join the log, and which never outlives this one."""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence

logger = logging.getLogger(__name__)

#: Lines longer than this are cut; a child can't fill memory by never ending a line.
_LONGEST_LINE = 64 * 1024
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """In the child, before exec: its own group (Ctrl-C reaches only the parent), and SIGTERM when the parent is killed."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.asynccontextmanager
async def child(
    name: str, command: Sequence[str], *, env: Mapping[str, str], stop_timeout: float
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running child; on leaving it is asked to end (SIGTERM), then its group is killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(env),
        limit=_LONGEST_LINE,
        preexec_fn=_die_with_parent,
    )
    assert process.stdout is not None
    reader = asyncio.create_task(_pass_on(name, process.stdout), name=f"output of {name}")
    try:
        yield process
    finally:
        await _stop(name, process, stop_timeout)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reader, 2)


async def _stop(name: str, process: asyncio.subprocess.Process, patience: float) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            logger.warning("did not end within %.0f s of SIGTERM; killing it", patience, extra={"part": name})
    # Its own children (a pool's processes) share its group, and may outlive a leader that was killed.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _pass_on(name: str, stream: asyncio.StreamReader) -> None:
    """Every line the child writes, as a record of its part."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            # Longer than the limit: the reader has dropped what it held and goes on behind it.
            logger.warning("a line longer than %d bytes was dropped", _LONGEST_LINE, extra={"part": name})
            continue
        if not line:
            return
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            logger.log(_level_of(text), "%s", text, extra={"part": name})


def _level_of(text: str) -> int:
    for word, level in (("CRITICAL", logging.CRITICAL), ("ERROR", logging.ERROR), ("WARNING", logging.WARNING)):
        if word in text[:80]:
            return level
    return logging.INFO
