"""A command -> a child process whose lines join the log, and which never outlives this one."""

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

logger = logging.getLogger(__name__)

#: Lines longer than this are cut; a child can't fill memory by never ending a line.
_MAX_LINE_BYTES = 64 * 1024
_PR_SET_PDEATHSIG = 1
#: Members of a JSON record that have a place of their own in ours.
_SHOWN_ANYWAY = frozenset({"time", "level", "part", "logger", "message", "exception"})


def die_with_parent() -> None:
    """In the child, before exec: make its own group, which Ctrl-C does not reach, and end together with the parent."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.asynccontextmanager
async def child(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    stop_timeout: float,
    on_line: Callable[[str], None] | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running child; on leaving it gets SIGTERM, then its group is killed. `on_line` gets its messages."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(env),
        limit=_MAX_LINE_BYTES,
        preexec_fn=die_with_parent,
    )
    assert process.stdout is not None
    reader = asyncio.create_task(_pass_on(name, process.stdout, on_line), name=f"output of {name}")
    try:
        yield process
    finally:
        await _stop(name, process, stop_timeout)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reader, 2)


async def _stop(name: str, process: asyncio.subprocess.Process, timeout_seconds: float) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), timeout_seconds)
        except TimeoutError:
            logger.warning("did not end within %.1f s of SIGTERM; killing it", timeout_seconds, extra={"part": name})
    # Its own children (a pool's processes) share its group, and may outlive a leader that was killed.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _pass_on(name: str, stream: asyncio.StreamReader, on_line: Callable[[str], None] | None) -> None:
    """Every line the child writes, as a record of its part."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            # Longer than the limit: the reader has dropped what it held and goes on behind it.
            logger.warning("a line longer than %d bytes was dropped", _MAX_LINE_BYTES, extra={"part": name})
            continue
        if not line:
            return
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            level, message = _read(text)
            logger.log(level, "%s", message, extra={"part": name})
            if on_line:
                on_line(message)


def _read(text: str) -> tuple[int, str]:
    """Level and message of a line: a record in JSON, as our own children write, or anything."""
    if text.startswith("{"):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return _record(json.loads(text))
    for word, level in (("CRITICAL", logging.CRITICAL), ("ERROR", logging.ERROR), ("WARNING", logging.WARNING)):
        if word in text[:80]:
            return level, text
    return logging.INFO, text


def _record(record: dict[str, Any]) -> tuple[int, str]:
    level = logging.getLevelNamesMapping().get(str(record["level"]).upper(), logging.INFO)
    message = str(record["message"])
    rest = {name: value for name, value in record.items() if name not in _SHOWN_ANYWAY}
    if rest:
        message += " " + " ".join(f"{name}={value}" for name, value in rest.items())
    if "exception" in record:
        message += " | " + str(record["exception"])
    return level, message
