"""Several serving processes behind one listening socket: `serve --workers`.

This parent process accepts connections and hands them to the workers in turn, replaces workers that ended, and stops
all of them together. The kernel's own ways to share a listening socket would give one worker many connections and
another few. The parent runs no event loop and no threads, as it forks.
"""

import contextlib
import gc
import logging
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

logger = logging.getLogger(__name__)

#: What a worker runs: its channel, and the folder that the workers share. Returns when it is asked to stop.
Work: TypeAlias = Callable[[socket.socket, Path], None]

#: Connections accepted before anything else is looked at.
_MAX_ACCEPTED: Final = 64
#: Seconds that a worker must have lived so that its end doesn't count as a failure to start; so many failures in a row
#: end everything.
_MIN_LIFE_SECONDS: Final = 2.0
_MAX_FAILURES: Final = 5
#: Seconds beyond the time for draining, until a worker is killed.
_EXTRA_SECONDS: Final = 5.0
#: Seconds between looks at what couldn't be handed over.
_RETRY_SECONDS: Final = 0.02


@dataclass(slots=True)
class _Process:
    pid: int
    channel: socket.socket
    began: float = field(default_factory=time.monotonic)


class Workers:
    """The parent of `count` processes that run `work`."""

    def __init__(
        self,
        count: int,
        listener: socket.socket,
        work: Work,
        drain_delay: float,
        drain_timeout: float,
        *,
        reloads: bool = False,
    ) -> None:
        """`reloads`: SIGHUP is passed on to the workers, who read their configuration again."""
        self._reloads = reloads
        self._count = count
        self._listener = listener
        self._work = work
        self._drain_delay = drain_delay
        self._drain_timeout = drain_timeout
        self._processes: deque[_Process] = deque()
        self._waiting: deque[socket.socket] = deque()
        self._selector = selectors.DefaultSelector()
        self._folder = Path()
        self._failures = 0
        self._start_at = 0.0
        self._stop_at: float | None = None
        self._asked = 0

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Returns the exit status: 0, or 1 where workers can't start."""
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-"))
        gc.collect()
        gc.freeze()  # what all share is not copied for the collector's sake
        try:
            with self._signals():
                return self._serve()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """While inside, signals wake the selector."""
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        self._selector.register(reader, selectors.EVENT_READ, self._signalled)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        handled = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, *([signal.SIGHUP] if self._reloads else [])]
        old = {number: signal.signal(number, lambda *_: None) for number in handled}
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in old.items():
                signal.signal(number, handler)
            reader.close()
            writer.close()

    def _signalled(self, reader: socket.socket) -> None:
        for number in reader.recv(4096):
            if number == signal.SIGHUP:
                for process in self._processes:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGHUP)
            if number in (signal.SIGTERM, signal.SIGINT):
                self._asked += 1
                if self._stop_at is None:
                    logger.info("%s: stopping %d workers", signal.Signals(number).name, len(self._processes))
                    self._stop_at = time.monotonic() + self._drain_delay
                for process in self._processes:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGTERM)

    def _serve(self) -> int:
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        while True:
            self._reap()
            if self._failures >= _MAX_FAILURES:
                logger.critical("workers end as soon as they start; giving up")
                self._stop_at = self._stop_at or time.monotonic()
            if self._stop_at is not None and time.monotonic() >= self._stop_at:
                break
            self._fill()
            for key, _ in self._selector.select(_RETRY_SECONDS if self._waiting else 0.5):
                key.data(key.fileobj)
            self._hand_over()
        self._stop()
        return 1 if self._failures >= _MAX_FAILURES else 0

    def _fill(self) -> None:
        """Fork a process for each that is missing."""
        while len(self._processes) < self._count and self._stop_at is None and time.monotonic() >= self._start_at:
            self._processes.append(self._fork())

    def _fork(self) -> _Process:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            theirs.close()
            return _Process(pid, ours)
        code = 1
        try:
            self._become_worker(ours)
            self._work(theirs, self._folder)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)

    def _become_worker(self, ours: socket.socket) -> None:
        """Close everything that belongs to the parent: a copy of the listening socket would keep the port open."""
        signal.set_wakeup_fd(-1)
        # Until the worker can reload: without a handler the signal would end it.
        if self._reloads:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # A terminal sends it to all; the parent says what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._selector.close()
        for other in (self._listener, ours, *(process.channel for process in self._processes), *self._waiting):
            other.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            process = next((process for process in self._processes if process.pid == pid), None)
            if process is None:
                continue
            self._processes.remove(process)
            process.channel.close()
            if self._stop_at is not None:
                continue
            lived = time.monotonic() - process.began
            self._failures = self._failures + 1 if lived < _MIN_LIFE_SECONDS else 0
            self._start_at = time.monotonic() + (0.1 * 2**self._failures if self._failures else 0)
            how = os.waitstatus_to_exitcode(status)
            logger.error("worker %d ended after %.1f s (%s); another takes its place", pid, lived, how)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_MAX_ACCEPTED):
            if self._waiting:  # no worker takes them: let the others wait in the kernel's queue
                return
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._waiting.append(connection)
            self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting:
            for _ in range(len(self._processes)):
                process = self._processes[0]
                self._processes.rotate(-1)
                try:
                    socket.send_fds(process.channel, [b"c"], [self._waiting[0].fileno()])
                except OSError:  # its channel is full, or it has ended
                    continue
                self._waiting.popleft().close()
                break
            else:
                return

    def _stop(self) -> None:
        """Accept nothing more; connections that were handed over are still served."""
        self._listener.close()
        for connection in self._waiting:
            connection.close()
        for process in self._processes:
            process.channel.close()
        end, asked = time.monotonic() + self._drain_timeout + _EXTRA_SECONDS, self._asked
        while self._processes:
            left = end - time.monotonic()
            if left <= 0 or self._asked > asked + 1:
                for process in self._processes:
                    logger.error("worker %d does not stop; it is killed", process.pid)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)
            for key, _ in self._selector.select(min(max(left, 0.05), 0.5)):
                if key.data == self._signalled:
                    key.data(key.fileobj)
            self._reap()
