"""A part's name -> a process that is kept running, whose kills are ours or are reported; and its child processes.

A part is what `botberi PART` starts, in a process of its own with its own environment. It is forked from an interpreter
that has loaded the platform's modules: a part that was killed is back in a fraction of a second instead of seconds.
One that needs a library of its own (a wrong clock) becomes a new interpreter instead.
"""

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

from botberi.run.children import die_with_parent
from lab.faults.clock import PRELOAD

_PRELOADED: Final = (
    "lab.faults.bound",
    "botberi.data",
    "botberi.platform",
    "botberi.services",
    "celery.__main__",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "event_broker.amqp",
    "botberi_gateway.cli",
    "shared_schema.migrate",
    "strawberry",
    "subgraphs.catalog.app",
    "subgraphs.identity.app",
    "subgraphs.instance.app",
    "workers.tasks",
)
_ZYGOTE: Final = "workers.zygote"
_STOP_SECONDS: Final = 10.0

_forks = multiprocessing.get_context("forkserver")


class Service:
    """One part of the platform as a process of its own, started again whenever it ends."""

    def __init__(
        self,
        name: str,
        part: str,
        environment: Mapping[str, str],
        log: Path,
        tell: Callable[..., None],
        *,
        says: str = "Botberi is running",
    ) -> None:
        """`says` is in its log once it works."""
        self.name = name
        #: Read at each of its starts.
        self.environment = dict(environment)
        self._says = says
        self._part = part
        self._tell = tell
        self._log = log
        self._process: ForkServerProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._pause = 0.5
        self._wanted = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process, while it lives."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def start(self) -> None:
        """Start it, and again each time it has ended."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    def kill(self, pause: float) -> bool:
        """End it as a crash would; another follows after the pause. False when there is none at this moment."""
        pid = self.pid
        if pid is None:
            return False
        self._pause = pause
        self._wanted.clear()
        os.kill(pid, signal.SIGKILL)
        return True

    def revive(self) -> None:
        """Start it now, whatever the pause."""
        self._wanted.set()

    async def works(self, timeout_seconds: float, *, after: int = 0) -> None:
        """Return once its log says so, beyond its first `after` characters."""
        deadline = time.monotonic() + timeout_seconds
        while self._says not in self._said()[after:]:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{self.name} did not say {self._says!r} in {timeout_seconds:.0f} s; see {self._log}"
                )
            await asyncio.sleep(0.1)

    async def restart(self, timeout_seconds: float) -> None:
        """End it in order (SIGTERM), as who brings a new version does; return once the next one works."""
        before = len(self._said())
        if (pid := self.pid) is not None:
            self._pause = 0.0
            os.kill(pid, signal.SIGTERM)
        await self.works(timeout_seconds, after=before)

    def _said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    async def stop(self) -> None:
        """End it, and what is left of it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            process = _forks.Process(target=_become, args=(self._part, dict(self.environment), str(self._log)))
            await asyncio.to_thread(process.start)
            self._process = process
            try:
                await _ended(process)
            except asyncio.CancelledError:
                await _end(process)
                raise
            # What a killed worker leaves ends by itself, later: a process that lost its parent is a fault worth having.
            self._tell("ended", service=self.name, code=process.exitcode)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), self._pause)
            self._pause = 0.5


def preload(environment: Mapping[str, str]) -> None:
    """Say what processes are forked with; before the first is started."""
    # What modules read as they are imported is read once, for all.
    os.environ.update(environment)
    multiprocessing.set_forkserver_preload(list(_PRELOADED))
    # From this thread, which lives as long as this process: the interpreter ends with the thread that started it.
    forkserver.ensure_running()


async def once(command: str, environment: Mapping[str, str], log: Path) -> None:
    """Run `botberi COMMAND` to its end. Raises `RuntimeError` with the end of what it said."""
    process = _forks.Process(target=_become, args=(command, dict(environment), str(log)))
    await asyncio.to_thread(process.start)
    await _ended(process)
    if process.exitcode != 0:
        said = await asyncio.to_thread(log.read_text, errors="replace")
        raise RuntimeError(f"botberi {command} failed:\n{said[-3000:]}")


def _become(part: str, environment: dict[str, str], log: str) -> None:
    """In the new process: be that part."""
    die_with_parent()
    clock_changes = environment.get(PRELOAD) != os.environ.get(PRELOAD)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    os.close(out)
    if part == "worker":
        from workers.celery_app import worker_argv
        from workers.settings import WorkerSettings

        argv = worker_argv(WorkerSettings().worker_concurrency)
    else:
        argv = [sys.executable, "-m", "botberi.cli", part]
    if clock_changes:
        os.execve(argv[0], argv, os.environ)
    sys.argv = argv[2:]
    if part == "worker":
        from celery.__main__ import main as celery

        celery()
    else:
        from botberi.cli import main as botberi

        botberi()


async def _ended(process: ForkServerProcess) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join(5)


async def _end(process: ForkServerProcess) -> None:
    assert process.pid is not None
    process.terminate()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_ended(process), _STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.to_thread(process.join, 5)


def children(pid: int) -> list[int]:
    """Processes that a process has started and that live."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(word) for word in (thread / "children").read_text().split()]
    return sorted(found)


def pool_processes(worker: int) -> list[int]:
    """The processes of a Celery worker that carry out tasks: its children, all of them."""
    return children(worker)


def run_processes(worker: int) -> list[int]:
    """The processes in which its workflows compute at this moment."""
    found: list[int] = []
    for pool in pool_processes(worker):
        for below in children(pool):
            found += children(below) if _ZYGOTE in command_of(below) else [below]
    return found


def command_of(pid: int) -> str:
    """A process' command line; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
