"""Requests on a socket -> forked processes in which `workers.child` runs, with the ML libraries already loaded.

One run at a time, and one thread: a fork of a process with threads may inherit a lock that nobody gives back.
The worker sends the run's three standard descriptors; the answers are `ready`, `forked PID`, `ended STATUS`. The
ended process stays a zombie until the next request, so that its number can't become another process' meanwhile.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys

from workers.child import main as run_child
from workers.registry import WORKFLOWS


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
        seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert seen is not None
        status = seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status
        ended = pid
        connection.sendall(f"ended {status}\n".encode())


def _become_child(connection: socket.socket, descriptors: list[int]) -> None:
    status = 1
    try:
        os.setsid()
        connection.close()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
            os.close(descriptor)
        status = run_child()
    finally:
        os._exit(status)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    load_libraries()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(connection)


if __name__ == "__main__":
    main()
