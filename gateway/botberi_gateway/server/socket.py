"""Uvicorn's WebSocket protocol with a limit on control frames and a callback at the connection's end."""

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Response
from websockets.server import ServerProtocol

#: Pings and pongs that a client may send: a second in the long run, and at once.
_MAX_CONTROL_FRAMES_PER_SECOND: Final = 20.0
_MAX_CONTROL_FRAME_BURST: Final = 100.0
#: Seconds that a client which floods has to read why it is closed. A socket with unread bytes that is closed at once is
#: reset, and the close frame is lost with it.
_LINGER_SECONDS: Final = 1.0


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
    """One WebSocket."""

    def __init__(self, *, on_lost: Callable[[], None], refusal_headers: bytes = b"", **uvicorn: Any) -> None:
        """`refusal_headers` are lines of a head; `on_lost` is called when the connection is over."""
        super().__init__(**uvicorn)
        self.conn = _Handshake(refusal_headers, self.conn, self.config.ws_max_size)
        self._on_lost = on_lost
        self._allowed, self._counted_at = _MAX_CONTROL_FRAME_BURST, self.loop.time()
        self._flooded = False

    def data_received(self, data: bytes) -> None:
        if not self._flooded:
            super().data_received(data)

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
