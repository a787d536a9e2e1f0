"""Uvicorn's WebSocket protocol with a limit on control frames and a callback at the connection's end."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Response
from websockets.protocol import Protocol
from websockets.server import ServerProtocol

#: Pings and pongs that a client may send: a second in the long run, and at once.
_MAX_CONTROL_FRAMES_PER_SECOND: Final = 20.0
_MAX_CONTROL_FRAME_BURST: Final = 100.0
#: Seconds that a client which floods has to read why it is closed. A socket with unread bytes that is closed at once is
#: reset, and the close frame is lost with it.
_LINGER_SECONDS: Final = 1.0


class _Inbox:
    """What uvicorn uses of an `asyncio.Queue`, for one reader. An empty one takes a tenth of a queue's memory."""

    __slots__ = ("_events", "_reader")

    def __init__(self) -> None:
        self._events: deque[Any] | None = None
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, event: Any) -> None:
        if self._events is None:
            self._events = deque()
        self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def empty(self) -> bool:
        return not self._events

    async def get(self) -> Any:
        while not self._events:
            self._events = None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        self._reader = None
        return self._events.popleft()


class _Gate:
    """What uvicorn uses of an `asyncio.Event` that is set most of the time."""

    __slots__ = ("_closed",)

    def __init__(self) -> None:
        self._closed: asyncio.Event | None = None

    def set(self) -> None:
        if self._closed is not None:
            self._closed.set()
            self._closed = None

    def clear(self) -> None:
        if self._closed is None:
            self._closed = asyncio.Event()

    async def wait(self) -> None:
        if self._closed is not None:
            await self._closed.wait()


class _Handshake(ServerProtocol):
    """A WebSocket's protocol whose refusals have the headers that every answer of the server has."""

    def __init__(self, refusal_headers: bytes, like: ServerProtocol, max_size: int) -> None:
        super().__init__(extensions=like.available_extensions, max_size=max_size, logger=like.logger)
        self._refusal_headers = refusal_headers

    def send_response(self, response: Response) -> None:
        if response.status_code != 101:
            for line in self._refusal_headers.decode("latin-1").splitlines():
                name, _, value = line.partition(": ")
                response.headers.setdefault(name, value)
        super().send_response(response)


class GatewaySocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket. Thousands are silent at the same time, so that it keeps little while nothing happens."""

    def __init__(
        self, *, on_lost: Callable[[], None], refusal_headers: bytes = b"", app: Any = None, **uvicorn: Any
    ) -> None:
        """`refusal_headers` are lines of a head; `on_lost` is called when the connection is over.

        `app` answers it in the place of uvicorn's own.
        """
        super().__init__(**uvicorn)
        self._is_ours = app is not None
        if app is not None:
            self.app = app
        self.queue = _Inbox()  # type: ignore[assignment]
        self.writable = _Gate()  # type: ignore[assignment]
        self._pieces = 0
        self.conn = _Handshake(refusal_headers, self.conn, self.config.ws_max_size)
        self._on_lost = on_lost
        self._allowed, self._counted_at = _MAX_CONTROL_FRAME_BURST, self.loop.time()
        self._flooded = False

    def data_received(self, data: bytes) -> None:
        if not self._flooded:
            self._pieces += 1
            super().data_received(data)

    def start_keepalive(self) -> None:
        """Overrides uvicorn's method, which is called when the handshake is over: its request isn't needed any more."""
        super().start_keepalive()
        del self.request, self.response
        if self._is_ours:
            self.scope["headers"] = []  # they have been read
        if self._pieces == 1 and not self.conn.events:
            # Nothing followed the request, which the parser's frame would hold as long as it goes on.
            self.conn.parser = Protocol.parse(self.conn)
            next(self.conn.parser)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        if self._admits_control_frame():
            super().handle_ping()

    def handle_pong(self, event: Any) -> None:
        if self._admits_control_frame():
            super().handle_pong(event)

    def _admits_control_frame(self) -> bool:
        now = self.loop.time()
        self._allowed = (
            min(_MAX_CONTROL_FRAME_BURST, self._allowed + (now - self._counted_at) * _MAX_CONTROL_FRAMES_PER_SECOND) - 1
        )
        self._counted_at = now
        if self._allowed >= 0:
            return True
        if not self._flooded:
            self._close_flooded()
        return False

    def _close_flooded(self) -> None:
        """Say why, read nothing more, and close a moment later."""
        self._flooded = True
        if self.transport.is_closing():
            return
        self.conn.fail(1008, "Too many control frames")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1008})
        self.transport.resume_reading()
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)
