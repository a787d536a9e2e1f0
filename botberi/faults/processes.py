"""A part's command -> a process that is kept running, whose kills are ours or told; and the processes below a process."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from botberi.run.children import die_with_parent

_POOL: Final = "celery"
_ZYGOTE: Final = "workers.zygote"


class Service:
    """One part of the platform as a process of its own, started again whenever it ends."""

    def __init__(
        self, name: str, part: str, environment: Mapping[str, str], log: Path, tell: Callable[..., None]
    ) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "botberi.cli", part]
        self._environment = environment
        self._tell = tell
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._pause = 0.5

    @property
    def pid(self) -> int | None:
        """The process, while it lives."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self) -> None:
        """Start it, and again each time it has ended."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    def kill(self, pause: float) -> bool:
        """End it as a crash would; another follows after the pause. False when there is none at this moment."""
        pid = self.pid
        if pid is None:
            return False
        self._pause = pause
        os.kill(pid, signal.SIGKILL)
        return True

    async def said(self, what: str, patience: float) -> None:
        """Return once its log has the text."""
        deadline = time.monotonic() + patience
        while not (self._log.exists() and what in self._log.read_text(errors="replace")):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not say {what!r} in {patience:.0f} s; see {self._log}")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End it, and what is left of it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            with self._log.open("ab") as out:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=asyncio.subprocess.STDOUT,
                    env=dict(self._environment),
                    preexec_fn=die_with_parent,
                )
            process = self._process
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await _end(process)
                raise
            # What a killed worker leaves ends by itself, later: a process that lost its parent is a fault worth having.
            self._tell("ended", service=self.name, code=code)
            await asyncio.sleep(self._pause)
            self._pause = 0.5


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), 10.0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def children(pid: int) -> list[int]:
    """Processes that a process has started and that live."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(word) for word in (thread / "children").read_text().split()]
    return sorted(found)


def pool_processes(worker: int) -> list[int]:
    """The processes of a Celery worker that carry out tasks."""
    return [pid for pid in children(worker) if _POOL in _command(pid)]


def run_processes(worker: int) -> list[int]:
    """The processes in which its workflows compute at this moment."""
    found: list[int] = []
    for pool in pool_processes(worker):
        for below in children(pool):
            found += children(below) if _ZYGOTE in _command(below) else [below]
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
