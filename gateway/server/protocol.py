"""Uvicorn's HTTP protocol, but what comes before a request's body is bounded in size and time."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def bounded_protocol(most: int, seconds: float) -> type[HttpToolsProtocol]:
    """A protocol class that closes a connection whose request line and headers exceed `most` bytes or take longer than `seconds`.

    Without it a client may send one endless header, or a byte now and then for ever.
    """

    class BoundedProtocol(HttpToolsProtocol):
        """See `bounded_protocol`."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._in_head = True
            self._head_bytes = 0
            self._head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._head_timer = self.loop.call_later(seconds, self._late)

        def connection_lost(self, exc: Exception | None) -> None:
            self._no_timer()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._in_head:
                self._head_bytes += len(data)
            super().data_received(data)
            if not self._in_head:
                return
            if self._head_bytes > most:
                self._refuse(_TOO_LARGE)
            elif self._head_bytes and self._head_timer is None:
                # Most heads come in one piece and never need a timer.
                self._head_timer = self.loop.call_later(seconds, self._late)

        def on_message_begin(self) -> None:
            self._in_head = True
            self._head_bytes = 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._head_bytes = 0
            self._no_timer()
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            # What comes next on this connection is another request's head; until then uvicorn's keep-alive timer runs.
            self._in_head = True

        def _late(self) -> None:
            self._head_timer = None
            if self._in_head:
                self._refuse(_TOO_LATE)

        def _refuse(self, answer: bytes) -> None:
            self._no_timer()
            if not self.transport.is_closing():
                self.transport.write(answer)
                self.transport.close()

        def _no_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

    return BoundedProtocol
