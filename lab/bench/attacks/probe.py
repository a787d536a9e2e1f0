"""A process of its own that asks `/health` again and again: the longest wait is the longest time without any answer."""

import http.client
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

_PAUSE: Final = 0.005


class Stalls:
    """`longest` is there when the block has ended, in seconds."""

    longest = 0.0
    usual = 0.0


@contextmanager
def watched(port: int) -> Iterator[Stalls]:
    """Probe while the block runs."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_probe, args=(port, theirs), daemon=True)
    process.start()
    ours.recv()
    stalls = Stalls()
    try:
        yield stalls
    finally:
        ours.send("stop")
        stalls.longest, stalls.usual = ours.recv()
        process.join()


def _probe(port: int, orders: Connection) -> None:
    waits: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    orders.send("ready")
    while not orders.poll():
        began = time.perf_counter()
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()
        waits.append(time.perf_counter() - began)
        time.sleep(_PAUSE)
    orders.send((max(waits, default=0.0), sorted(waits)[len(waits) // 2] if waits else 0.0))
