"""Settings -> child processes for runs: forked from one that has the libraries loaded, or started afresh."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import IO

from workers.process import ChildProcess, Started, child_environment, start
from workers.settings import WorkerSettings

logger = logging.getLogger(__name__)

# Loading scikit-learn takes two seconds of a core; a worker that has just started has other things to do first.
FIRST_AFTER_SECONDS = 3.0
# A fork takes milliseconds; when it doesn't, the machine is in trouble and the ordinary way is as good.
FORK_SECONDS = 5.0


class ZygoteGone(Exception):
    """The process that forks doesn't answer."""


class Zygote:
    """The worker's end of `workers.zygote`."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [sys.executable, "-m", "workers.zygote", str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env=child_environment(),
            )
        self._received = b""
        self._ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self) -> bool:
        """True if a fork would be quick. Raises `ZygoteGone`."""
        if not self._ready:
            self._ready = self.answer(0.0) is not None
        return self._ready

    def fork(self) -> ForkedProcess:
        """A process that waits for its order."""
        read_in, write_in = os.pipe()
        read_out, write_out = os.pipe()
        read_error, write_error = os.pipe()
        theirs = [read_in, write_out, write_error]
        try:
            socket.send_fds(self._socket, [b"f"], theirs)
            answer = self.answer(FORK_SECONDS)
            if answer is None:
                raise ZygoteGone("no fork in time")
            pid = int(answer.removeprefix("forked "))
        except (OSError, ValueError, ZygoteGone) as error:
            for descriptor in (write_in, read_out, read_error):
                os.close(descriptor)
            raise ZygoteGone(str(error)) from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return ForkedProcess(
            self, pid, os.fdopen(write_in, "wb"), os.fdopen(read_out, "rb"), os.fdopen(read_error, "rb")
        )

    def answer(self, timeout: float) -> str | None:
        """The next line, or None when there is none in time."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self._received:
            readable, _, _ = select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                return None
            try:
                received = self._socket.recv(4_096)
            except OSError as error:
                raise ZygoteGone(str(error)) from error
            if not received:
                raise ZygoteGone("it ended")
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line.decode()

    def close(self) -> None:
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(timeout=10)


class ForkedProcess:
    """A run's process that the zygote is the parent of."""

    def __init__(self, zygote: Zygote, pid: int, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self._zygote = zygote
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self._status: int | None = None

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def wait(self, timeout: float) -> int:
        if self._status is None:
            try:
                answer = self._zygote.answer(timeout)
            except ZygoteGone:
                # No process is left to report how it ended; that the worker's pipes are closed ends it.
                answer = f"ended {-signal.SIGKILL}"
            if answer is None:
                raise subprocess.TimeoutExpired("run", timeout)
            self._status = int(answer.removeprefix("ended "))
        return self._status

    def kill(self) -> None:
        """It is killed by number only while the zygote keeps the number for it."""
        if self._zygote._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """A pool process' children: `take()` one for a run, when the one before has ended."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._max_line = settings.run_result_max_bytes + 1_000  # the result, and what the message says besides
        self._warm = settings.run_warm_children
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._closed = False

    def take(self) -> ChildProcess:
        """A process that hasn't begun: at once when the zygote is ready, else by an ordinary start."""
        return ChildProcess(self._max_line, self._fork() or start())

    def prepare(self) -> None:
        """Have a zygote, if there shall be one."""
        with self._lock:
            if self._warm and self._zygote is None and not self._closed:
                self._zygote = Zygote()

    def prepare_later(self) -> None:
        """The first zygote, once the worker has started."""
        timer = threading.Timer(FIRST_AFTER_SECONDS, self.prepare)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """End the zygote; none follows."""
        with self._lock:
            self._closed = True
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.close()

    def _fork(self) -> Started | None:
        with self._lock:
            if self._zygote is None:
                return None
            try:
                return self._zygote.fork() if self._zygote.ready() else None
            except ZygoteGone as gone:
                logger.warning("the process that forks runs is gone (%s); another follows", gone)
                self._zygote.close()
                self._zygote = None
                return None
