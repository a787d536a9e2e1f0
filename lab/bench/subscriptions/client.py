"""Many WebSockets with one subscription each, as cheap as Python allows: a protocol object a socket, own frames."""

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

_INIT: Final = json.dumps({"type": "connection_init"}).encode()
#: Local addresses to connect from: each has some 28,000 free ports.
_ADDRESSES: Final = 8
_AT_ONCE: Final = 64


class Subscriber(asyncio.Protocol):
    """One socket with its subscriptions.

    `ready` is set once each of them has had a result; `on_result` gets each later one's `at` (monotonic nanoseconds)
    and arrival.
    """

    __slots__ = (
        "_buffer",
        "_first",
        "_headers",
        "_on_result",
        "_request",
        "_subscribe",
        "failure",
        "ready",
        "results",
        "transport",
    )

    def __init__(self, caller: str, query: str, jobs: Sequence[str], on_result: Callable[[int, int], None]) -> None:
        self._subscribe = [
            json.dumps(
                {"id": str(place), "type": "subscribe", "payload": {"query": query, "variables": {"id": job}}}
            ).encode()
            for place, job in enumerate(jobs, 1)
        ]
        self._first = len(jobs)
        key = base64.b64encode(os.urandom(16)).decode()
        self._request = (
            f"GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            f"sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n"
            f"sec-websocket-protocol: graphql-transport-ws\r\nauthorization: Bearer {caller}\r\n\r\n"
        ).encode()
        self._on_result = on_result
        self._buffer = b""
        self._headers = True
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.results = 0
        self.failure = ""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Answers, frame by frame."""
        self._buffer += data
        if self._headers:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self._fail(head.split(b"\r\n")[0].decode())
                return
            self._headers, self._buffer = False, rest
            self._send(_INIT)
        while (frame := self._frame()) is not None:
            self._handle(*frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the task that waits for the first result."""
        self._fail(f"the connection was lost: {exc}")

    def _handle(self, opcode: int, payload: bytes) -> None:
        if opcode == 1:
            if b'"type":"next"' in payload:
                self.results += 1
                _, _, rest = payload.partition(b'"at":"')
                if not self.ready.done():
                    # While others of this socket begin nothing changes: these are first results.
                    self._first -= 1
                    if not self._first:
                        self.ready.set_result(None)
                else:
                    self._on_result(int(rest.partition(b'"')[0] or 0), time.monotonic_ns())
            elif b"connection_ack" in payload:
                for one in self._subscribe:
                    self._send(one)
                self._subscribe = []
            else:
                self._fail(payload.decode(errors="replace"))
        elif opcode == 9:
            self._send(payload, 10)
        elif opcode == 8:
            self._fail(f"closed: {payload!r}")

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 127, 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + size:
            return None
        self._buffer = buffer[start + size :]
        return buffer[0] & 15, buffer[start : start + size]

    def _send(self, payload: bytes, opcode: int = 1) -> None:
        # A mask of zeros: clients must mask, and nothing says with what.
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else bytes([128 | 126]) + size.to_bytes(2, "big")
        self.transport.write(bytes([128 | opcode]) + length + b"\0\0\0\0" + payload)

    def _fail(self, why: str) -> None:
        self.failure = self.failure or why
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))


async def open_many(
    port: int,
    count: int,
    query: str,
    on_result: Callable[[int, int], None],
    *,
    caller: Callable[[int], str],
    jobs: Callable[[int], Sequence[str]],
) -> list[Subscriber]:
    """So many sockets, each with its first result. Raises `ConnectionError`."""
    loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> Subscriber:
        async with slots:
            _, protocol = await loop.create_connection(
                lambda: Subscriber(caller(number), query, jobs(number), on_result),
                "127.0.0.1",
                port,
                local_addr=(f"127.0.0.{2 + number % _ADDRESSES}", 0),
            )
            async with asyncio.timeout(120):
                await protocol.ready
            return protocol

    return await asyncio.gather(*(one(number) for number in range(count)))


def close_all(sockets: list[Subscriber]) -> None:
    """End them all."""
    for socket in sockets:
        socket.transport.abort()
