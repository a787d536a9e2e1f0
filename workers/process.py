"""A claimed run -> a child process of its own, the messages it sends, and its end by request or by force."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, Protocol, Self

KEPT_STDERR = 8_000
# What is said on the way is small; only a result is large, and that has its own limit.
QUEUED_MESSAGES = 1_000
TALK = ("progress", "log")
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ResultTooLarge(Exception):
    """The child sent a line beyond the limit."""


class Started(Protocol):
    """A process that waits for its order: a `subprocess.Popen`, or one forked for us."""

    pid: int

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    @property
    def stderr(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int:
        """The exit status, negative for a signal; raises `subprocess.TimeoutExpired`."""

    def kill(self) -> None: ...


def start(command: Sequence[str] = (sys.executable, "-m", "workers.child")) -> subprocess.Popen[bytes]:
    """Start a run's process the ordinary way."""
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A session of its own: Ctrl-C in a terminal is the worker's affair, and killing takes grandchildren too.
        start_new_session=True,
        env=child_environment(),
    )


class ChildProcess:
    """A process for one workflow: `begin()` it, `receive()` its messages; `cancel()` asks, `kill()` doesn't."""

    def __init__(self, max_line_bytes: int, process: Started) -> None:
        self._max_line = max_line_bytes
        self._messages: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue(QUEUED_MESSAGES)
        self._stderr: deque[str] = deque(maxlen=200)
        self._lost = self._reported_lost = 0
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # A child that doesn't read its order must not block the worker, which renews the lease meanwhile.
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._write_orders, args=(process.stdin,), daemon=True).start()
        self._readers = [
            threading.Thread(target=self._read_messages, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_stderr, args=(process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def begin(self, workflow: str, parameters: dict[str, Any], artifacts: dict[str, Any]) -> None:
        """Give the process its one run, and tell it where files go."""
        self._orders.put({"workflow": workflow, "parameters": parameters, "artifacts": artifacts})

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """The next message, or None when there is none in time. Raises EOFError after the last."""
        try:
            message = self._messages.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None
        if message is None:
            self._messages.put(None)
            raise EOFError
        if isinstance(message, Exception):
            raise message
        return message

    def take_lost(self) -> int:
        """How many lines were lost since the last time this was asked."""
        lost = self._lost - self._reported_lost
        self._reported_lost += lost
        return lost

    def cancel(self) -> None:
        """Ask the workflow to stop at its next step."""
        self._orders.put({"cancel": True})

    def kill(self) -> int:
        """End the process and its children, now, and return its exit status."""
        # Only while it isn't known to have ended: until then its number, and its group's, are surely its own.
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
        status = self._process.wait(timeout=10)
        self._orders.put({})  # ends the thread that writes orders
        for reader in self._readers:
            reader.join(timeout=2)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        return status

    def exit_status(self, timeout: float) -> int | None:
        """Exit of the process; None if it hasn't ended in time."""
        try:
            return self._process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        return "".join(self._stderr)[-KEPT_STDERR:]

    def _write_orders(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):  # gone already: `receive` says so
            while order := self._orders.get():
                stream.write(json.dumps(order).encode() + b"\n")
                stream.flush()

    def _read_messages(self, stream: IO[bytes]) -> None:
        try:
            while line := stream.readline(self._max_line):
                if not line.endswith(b"\n") and len(line) >= self._max_line:
                    self._messages.put(ResultTooLarge())
                    return
                message = json.loads(line)
                if message.get("kind") in TALK and self._messages.qsize() > QUEUED_MESSAGES // 2:
                    # A workflow that talks faster than it is heard loses words, not memory; lines are counted.
                    self._lost += message["kind"] == "log"
                    continue
                self._messages.put(message)
        except (OSError, ValueError) as error:
            self._messages.put(error)
        finally:
            self._messages.put(None)

    def _read_stderr(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline(2_000):
                self._stderr.append(line.decode(errors="replace"))


# Databases, brokers and the storage of files: a workflow has no business with them.
FOREIGN = ("BOTBERI_", "PG", "DATABASE_", "AWS_")


def child_environment() -> dict[str, str]:
    """The worker's, without what is none of a workflow's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    # One thread a run: runs share the cores, and sums don't depend on how many there are.
    return kept | dict.fromkeys(THREAD_LIMITS, "1") | {"PYTHONUNBUFFERED": "1"}
