"""Uvicorn's WebSocket protocol, but control frames are bounded, and whoever handed the connection over hears of its end."""

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: Pings and pongs a second that a client may send; so many more at once.
_CONTROL_FRAMES: Final = 20.0
_BURST: Final = 100.0


class GatewaySocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket."""

    def __init__(self, *, on_lost: Callable[[], None], **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._on_lost = on_lost
        self._allowed, self._counted_at = _BURST, self.loop.time()

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
        self._allowed = min(_BURST, self._allowed + (now - self._counted_at) * _CONTROL_FRAMES) - 1
        self._counted_at = now
        if self._allowed >= 0:
            return True
        if not self.transport.is_closing():
            self.conn.fail(1008, "Too many control frames")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
        return False
