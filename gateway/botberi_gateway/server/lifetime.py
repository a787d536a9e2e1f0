"""The life of one connection: how it begins, how long it may be silent, how it is refused, and how it ends.

What the bytes on it mean is `protocol.py`'s part.
"""

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from botberi_gateway.config import ServerConfig
from botberi_gateway.server.connections import ConnectionLimit, TooManyConnections
from botberi_gateway.server.quick import QuickDoor


@dataclass(slots=True)
class ServerContext:
    """What all connections of one server share. A connection keeps the configuration that it began with."""

    config: ServerConfig = field(default_factory=ServerConfig)
    #: Answers whole JSON `POST`s to the endpoint without ASGI (`quick.py`); None: all go through the app.
    door: QuickDoor | None = None
    connections: ConnectionLimit | None = None
    #: Security headers, as lines of a head, for answers that don't come from the app.
    refusal_headers: bytes = b""


class Part(Enum):
    """What the next bytes of a connection are.

    `UPGRADED`: a WebSocket's. `ENDING`: nothing that counts, they are thrown away.
    """

    HEAD = auto()
    BODY = auto()
    CHUNKS = auto()
    UPGRADED = auto()
    ENDING = auto()


class ConnectionLifetime(HttpToolsProtocol):
    """Uvicorn's protocol with timeouts and a limit of connections.

    A connection is not closed before the client can have its answer.
    """

    def __init__(self, context: ServerContext, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._context, self._config = context, context.config
        self._part = Part.HEAD
        #: The server stops: no further answer keeps the connection alive.
        self._stopping = False
        #: Bytes that were thrown away since the connection began to end.
        self._drained = 0
        self._idle_since: float | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        #: The key under which `ConnectionLimit` counts this connection; None: not counted.
        self._counted: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._context.connections is not None:
            try:
                self._counted = self._context.connections.enter(self.client[0] if self.client else None)
            except TooManyConnections:
                self.transport.write(self._refusal(429, "Too many connections from this address."))
                self.transport.close()
                self._cut_later()
                return
        self._head_timer = self.loop.call_later(self._config.header_timeout_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._end_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._release()
        super().connection_lost(exc)
        # Uvicorn's own method, which cancels the idle timer; the override below does not.
        super()._unset_keepalive_if_required()

    def _release(self) -> None:
        if self._context.connections is not None:
            self._context.connections.leave(self._counted)
            self._counted = None

    def shutdown(self) -> None:
        """Overrides uvicorn's method: the server stops."""
        self._stopping = True
        super().shutdown()

    # Idleness: one timer for each connection, set again when it ends too early, in place of one for each answer.

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._cut_later()
            return
        if self._part is Part.ENDING:
            return
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0.001:
            self.transport.close()
            self._cut_later()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self._config.write_timeout_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # Refusals, and the end of a connection.

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._part is Part.HEAD and not self.transport.is_closing():
            # The time is over: no request is taken from what still comes.
            self._part = Part.ENDING
            self.transport.write(self._refusal(408, ""))
            self.transport.close()
            self._cut_later()

    def _refuse(self, status: int, reason: str = "") -> None:
        """Refuse bytes that are no valid request with this status, or just close where an answer has begun."""
        cycle = self.cycle
        # A `QuickCycle` writes at once: one that isn't complete counts as begun.
        begun = cycle is not None and not cycle.response_complete and getattr(cycle, "response_started", True)
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.transport.is_closing():
            return
        if begun:
            self.transport.close()
            self._cut_later()
            return
        self.transport.write(self._refusal(status, reason))
        self._linger()

    def _refusal(self, status: int, reason: str) -> bytes:
        text = reason.encode()
        lines = [
            STATUS_LINE[status],
            *(b"%b: %b\r\n" % pair for pair in self.server_state.default_headers),
            self._context.refusal_headers,
            b"content-type: text/plain; charset=utf-8\r\n",
            b"content-length: %d\r\nconnection: close\r\n\r\n" % len(text),
            text,
        ]
        return b"".join(lines)

    def _end_answer(self) -> None:
        """End the connection after an answer; linger where its request has not wholly arrived."""
        if self._part in (Part.BODY, Part.CHUNKS):
            self._linger()
        elif not self.transport.is_closing():
            self.transport.close()

    def _linger(self) -> None:
        """Say that nothing more is sent, then read on for a moment.

        A connection that is closed with unread bytes is reset by the kernel, and the client might never see the answer.
        """
        self._part = Part.ENDING
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._cut_later()

    def _drain(self, count: int) -> None:
        self._drained += count
        if self._drained > self._config.max_linger_bytes:
            self.transport.abort()

    def _cut_later(self) -> None:
        """Cut the connection after `linger_timeout_seconds`, whatever the client still reads or sends."""
        if self._end_timer is None:
            self._end_timer = self.loop.call_later(self._config.linger_timeout_seconds, self.transport.abort)
