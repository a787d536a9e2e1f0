"""Requests on a socket -> forked processes in which `workers.child` runs, with the ML libraries already loaded.

One run at a time, and one thread: a fork of a process with threads may inherit a lock that no thread gives back.
The worker sends the run's three standard descriptors; the answers are `ready`, `forked PID`, `ended STATUS`. The
ended process stays a zombie until the next request, so that its number can't become another process' meanwhile.

It ends with its worker, however that ends: while it waits for requests the closed socket says so, and while it does
something else (loads libraries, waits for a run) a timer makes it look. A run that is going on ends with it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType

from workers.child import main as run_child
from workers.registry import WORKFLOWS

# How often it looks whether its worker is there while it does something else.
LOOK_SECONDS = 0.25


@contextlib.contextmanager
def ending_with_worker(connection: socket.socket, run: int | None = None) -> Iterator[None]:
    """Within it, this process and `run`, its child, end when the other end of the connection has closed."""
    look = select.poll()
    look.register(connection, 0)  # poll reports that the other end is gone without being asked for it

    def end_if_alone(_signal: int, _frame: FrameType | None) -> None:
        if look.poll(0):
            if run is not None:
                _kill(run)
            os._exit(0)

    signal.signal(signal.SIGALRM, end_if_alone)
    signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _kill(run: int) -> None:
    """End a child that hasn't been waited for, so that the number is its own, and its group if it has one already."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            end(run, signal.SIGKILL)


def load_libraries() -> None:
    """Import what workflows will import; one that is missing here is missed by the run that needs it."""
    for workflow in WORKFLOWS.values():
        for library in workflow.libraries:
            with contextlib.suppress(ImportError):
                importlib.import_module(library)


def serve(connection: socket.socket) -> None:
    """Fork on request until the worker is gone."""
    ended: int | None = None
    connection.sendall(b"ready\n")
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
        if ended is not None:
            os.waitpid(ended, 0)
            ended = None
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            _become_child(connection, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(f"forked {pid}\n".encode())
        with ending_with_worker(connection, pid):
            seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert seen is not None
        status = seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status
        ended = pid
        connection.sendall(f"ended {status}\n".encode())


def _become_child(connection: socket.socket, descriptors: list[int]) -> None:
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        connection.close()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
            os.close(descriptor)
        status = run_child()
    finally:
        os._exit(status)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    with ending_with_worker(connection):
        load_libraries()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(connection)
    os._exit(0)  # nothing is left to write, and tearing the libraries down takes its time


if __name__ == "__main__":
    main()
