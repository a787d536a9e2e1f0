"""Uvicorn's HTTP protocol, but what comes before a request's body is bounded in size and time."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.server.quick import QuickCycle, QuickDoor
from gateway.transport.identity import decode_headers

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def bounded_protocol(most: int, seconds: float, door: QuickDoor | None = None) -> type[HttpToolsProtocol]:
    """A protocol class that closes a connection whose request line and headers exceed `most` bytes or take longer than `seconds`.

    Without it a client may send one endless header, or a byte now and then for ever. What `door` admits goes there.
    """

    class BoundedProtocol(HttpToolsProtocol):
        """See `bounded_protocol`."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._in_head = True
            self._head_bytes = 0
            self._head_timer: asyncio.TimerHandle | None = None
            self._held: bytes | None = None
            self._decoded: dict[str, str] = {}
            # Clients repeat themselves: the last request's headers as they came, as they are read, and whether the door admits them.
            self._last: tuple[list[tuple[bytes, bytes]], dict[str, str], bool] = ([], {}, False)
            self._idle_since: float | None = None
            self._door = door if self.limit_concurrency is None else None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._head_timer = self.loop.call_later(seconds, self._late)

        def connection_lost(self, exc: Exception | None) -> None:
            self._no_timer()
            self._held = None
            super().connection_lost(exc)
            super()._unset_keepalive_if_required()
            if isinstance(self.cycle, QuickCycle):
                self.cycle.gone()

        def data_received(self, data: bytes) -> None:
            if self._in_head:
                self._head_bytes += len(data)
            super().data_received(data)
            if self._held is not None and not self.transport.is_closing():
                self._let_go()
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
            # Uvicorn makes the ASGI scope here; it is made when somebody needs it.
            self.url = b""
            self.expect_100_continue = False
            self.headers = []

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._head_bytes = 0
            self._no_timer()
            if self._is_quick():
                self._held = b""
            else:
                self._by_asgi()

        def on_body(self, body: bytes) -> None:
            if self._held is None:
                super().on_body(body)
            else:
                self._held = self._held + body if self._held else body

        def _is_quick(self) -> bool:
            """Of the kind that the door takes, on a connection that has nothing else to do."""
            parser, cycle = self.parser, self.cycle
            if (
                self._door is None
                or self.url != self._door.url
                or parser.get_method() != b"POST"
                or not (cycle is None or cycle.response_complete)
                or parser.get_http_version() != "1.1"
                or self.flow.write_paused
            ):
                return False
            raw, decoded, admitted = self._last
            if self.headers != raw:
                decoded = decode_headers(self.headers)
                admitted = self._door.admits(decoded)
                self._last = self.headers, decoded, admitted
            # What is admitted gets more headers on its way.
            self._decoded = decoded.copy()
            return admitted

        def _by_asgi(self) -> None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers.extend(headers)
            super().on_headers_complete()

        def _let_go(self) -> None:
            """The rest of the body is still on its way: the app waits for it, as long as it may."""
            body, self._held = self._held, None
            self._by_asgi()
            if body:
                super().on_body(body)

        def _answer_quickly(self, door: QuickDoor, body: bytes) -> None:
            self._held = None
            keep_alive = self.parser.should_keep_alive()
            state = self.server_state
            default = door.default_headers(state.default_headers)
            cycle = QuickCycle(door, self.transport, keep_alive, default, self.on_response_complete, self.tasks)
            self.cycle = cycle  # type: ignore[assignment]  # what uvicorn asks of its own is there
            cycle.start(self.loop, self._decoded, body, self.client)

        def on_message_complete(self) -> None:
            if self._held is not None and self._door is not None:
                self._answer_quickly(self._door, self._held)
            else:
                super().on_message_complete()
            # What comes next on this connection is another request's head; until then uvicorn's keep-alive timer runs.
            self._in_head = True

        # One timer looks after a connection's idleness, instead of a new one after each answer.

        def on_response_complete(self) -> None:
            self.server_state.total_requests += 1
            if self.transport.is_closing():
                return
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
                return
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
            else:
                self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

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
