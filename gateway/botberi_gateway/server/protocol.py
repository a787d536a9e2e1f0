"""One connection's bytes -> requests, each bounded in size and time, and framed in exactly one way.

Uvicorn's protocol and its parser, fed one part of a message at a time: first a whole head, which `head.py` has looked
at; then its body and not a byte more. What follows waits until the answer is on its way, so that no byte is ever read
as something that it isn't.
"""

import asyncio
import urllib.parse
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from botberi_gateway.server.chunks import ChunkScanner
from botberi_gateway.server.head import (
    Framing,
    HeadRefused,
    RequestLine,
    check_beginning,
    read_framing,
    read_line,
)
from botberi_gateway.server.lifetime import ConnectionLifetime, Part, ServerContext
from botberi_gateway.server.lingering import LingeringTransport
from botberi_gateway.server.quick import QuickCycle
from botberi_gateway.server.socket import GatewaySocketProtocol
from botberi_gateway.transport.identity import decode_headers

_END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(slots=True)
class _Head:
    """The head of the connection's last plain `POST`: clients repeat themselves."""

    text: bytes
    headers: dict[str, str]
    length: int
    keep_alive: bool


class GatewayProtocol(ConnectionLifetime):
    """Reads the requests of one connection, and has each of them answered."""

    def __init__(self, context: ServerContext, **uvicorn: Any) -> None:
        super().__init__(context, **uvicorn)
        #: The part of a head that has come.
        self._head: bytearray | None = None
        #: What came after a request that isn't answered yet.
        self._rest = b""
        self._last_head: _Head | None = None
        # Of the message that is being read.
        self._headers_complete = self._message_complete = False
        self._keep_alive = True
        self._left = 0
        self._chunks = ChunkScanner(context.config.max_header_bytes)
        #: The body of a plain POST that may still come whole, and its headers.
        self._held: bytes | None = None
        self._decoded: dict[str, str] = {}

    def connection_lost(self, exc: Exception | None) -> None:
        self._held, self._rest, self._head = None, b"", None
        super().connection_lost(exc)
        if isinstance(self.cycle, QuickCycle):
            self.cycle.gone()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._rest and self._part is not Part.ENDING and not self.transport.is_closing():
            data, self._rest = self._rest, b""
            self._idle_since = None
            self._consume(data)

    def _refuse(self, status: int, reason: str = "") -> None:
        self._held, self._head = None, None
        super()._refuse(status, reason)

    # Bytes.

    def data_received(self, data: bytes) -> None:
        self._idle_since = None
        if self._rest:
            data, self._rest = self._rest + data, b""
        self._consume(data)

    def _consume(self, data: bytes) -> None:
        while data and not self.transport.is_closing():
            match self._part:
                case Part.HEAD:
                    if self.cycle is not None and not self.cycle.response_complete:
                        self._rest = data
                        self.flow.pause_reading()
                        return
                    data = self._read_head(data)
                case Part.BODY:
                    data = self._read_body(data)
                case Part.CHUNKS:
                    data = self._read_chunks(data)
                case Part.ENDING:
                    self._drain(len(data))
                    return
                case Part.UPGRADED:
                    return
        if self._held is not None and self._part is Part.BODY:
            self._let_go()
        elif self._head is not None and self._head_timer is None:
            # Most heads come in one piece and never need a timer.
            self._head_timer = self.loop.call_later(self._config.header_timeout_seconds, self._head_is_late)

    def _read_head(self, data: bytes) -> bytes:
        """Read a head. Returns the bytes after it, or none where it isn't whole yet."""
        head = self._head
        if head is None:
            end = data.find(_END_OF_HEAD) + 4
            if end > 3:
                if end == len(data):
                    return self._take_head(data, b"")
                return self._take_head(data[:end], data[end:])
            head = self._head = bytearray(data)
        else:
            start = max(0, len(head) - 3)
            head += data
            end = head.find(_END_OF_HEAD, start) + 4
            if end > 3:
                self._head = None
                return self._take_head(bytes(head[:end]), bytes(head[end:]))
        try:
            if len(head) > self._config.max_header_bytes:
                raise _too_large()
            check_beginning(head, len(data))
        except HeadRefused as refused:
            self._refuse(refused.status, refused.reason)
        return b""

    def _take_head(self, text: bytes, rest: bytes) -> bytes:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        last = self._last_head
        if last is not None and text == last.text and last.length <= len(rest) and not self.flow.write_paused:
            # What was read once need not be read again; the parser is between two messages and stays there.
            self._keep_alive = last.keep_alive
            self._decoded = last.headers.copy()
            self._answer_quickly(rest[: last.length])
            return rest[last.length :]
        try:
            if len(text) > self._config.max_header_bytes:
                raise _too_large()
            line = read_line(text)
            self._parse(text)
            decoded = decode_headers(self.headers)
            framing = read_framing(line, decoded)
            self._begin(line, framing, decoded, text, rest)
        except HeadRefused as refused:
            self._refuse(refused.status, refused.reason)
            return b""
        return rest

    def _parse(self, data: bytes) -> None:
        """Feed the parser. Raises `HeadRefused` where it reads the bytes in another way than our own checks."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            raise _invalid() from None

    def _begin(self, line: RequestLine, framing: Framing, decoded: dict[str, str], text: bytes, rest: bytes) -> None:
        """Begin the request of a head that is whole and valid: choose who answers it, and what is read next."""
        if not self._headers_complete:
            raise _invalid()
        if framing.upgrades:
            if rest:
                raise HeadRefused(400, "Nothing follows a WebSocket's handshake until it is answered.")
            self._upgrade(line, text)
            return
        if framing.chunked:
            self._part, self._chunks = Part.CHUNKS, ChunkScanner(self._config.max_header_bytes)
        elif framing.length:
            self._part, self._left = Part.BODY, framing.length
            door = self._context.door
            if (
                door is not None
                and self.url == door.url
                and line.method == b"POST"
                and line.minor == b"1"
                and not self.flow.write_paused
                and door.admits(decoded)
            ):
                self._held = b""
                # What is admitted gets more headers on its way.
                self._decoded = decoded.copy()
                self._last_head = _Head(text, decoded, framing.length, self._keep_alive)
                return
        elif not self._message_complete:
            raise _invalid()
        self._start_app(line)
        if self._part is Part.HEAD:
            self._end_message()

    def _read_body(self, data: bytes) -> bytes:
        piece, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        self._left -= len(piece)
        try:
            self._parse(piece)
            if self._message_complete != (not self._left):
                raise _invalid()
        except HeadRefused as refused:
            self._refuse(refused.status, refused.reason)
            return b""
        if not self._left:
            self._end_message()
        return rest

    def _read_chunks(self, data: bytes) -> bytes:
        try:
            count = self._chunks.take(data)
            self._parse(data[:count])
            if self._message_complete != self._chunks.ended:
                raise _invalid()
        except HeadRefused as refused:
            self._refuse(refused.status, refused.reason)
            return b""
        if self._chunks.ended:
            self._end_message()
        return data[count:]

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._headers_complete = self._message_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes later is a trailer, and never becomes a header: the headers have been checked by then.
        if not self._headers_complete:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._headers_complete = True
        self._keep_alive = self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if self._held is not None:
            self._held = self._held + body if self._held else body
            return
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._message_complete = True

    # Requests.

    def _start_app(self, line: RequestLine) -> None:
        try:
            url = httptools.parse_url(self.url)
        except httptools.HttpParserInvalidURLError:
            raise HeadRefused(400, "The request's target is no path and no URL.") from None
        raw_path = url.path or b"/"
        path = raw_path.decode("ascii")
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1." + line.minor.decode(),
            "method": line.method.decode(),
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "root_path": self.root_path,
            "path": self.root_path + (urllib.parse.unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": url.query or b"",
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=LingeringTransport(self.transport, self._end_answer),  # type: ignore[arg-type]
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            # An answer that begins before its request has ended ends the connection.
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self._keep_alive = self._keep_alive and line.minor == b"1"
        self._start_asgi_task(self.cycle, self.app)

    def _let_go(self) -> None:
        """Give the app a POST whose body has not come as a whole: the short way doesn't wait."""
        body, self._held = self._held, None
        try:
            self._start_app(RequestLine(b"POST", self.url, b"1"))
        except HeadRefused as refused:
            self._refuse(refused.status, refused.reason)
            return
        if body:
            self.on_body(body)

    def _end_message(self) -> None:
        self._part = Part.HEAD
        if self._held is not None:
            body, self._held = self._held, None
            self._answer_quickly(body)
            return
        cycle = self.cycle
        if cycle.response_complete:
            return
        if not cycle.response_started:
            cycle.keep_alive = self._keep_alive and not self._stopping
        cycle.more_body = False
        cycle.message_event.set()

    def _answer_quickly(self, body: bytes) -> None:
        door, state = self._context.door, self.server_state
        assert door is not None
        default = door.default_headers(state.default_headers)
        keep_alive = self._keep_alive and not self._stopping
        cycle = QuickCycle(door, self.transport, default, self.on_response_complete, self.tasks, keep_alive=keep_alive)
        self.cycle = cycle  # type: ignore[assignment]  # what uvicorn asks of its own is there
        cycle.start(self.loop, self._decoded, body, self.client)

    def _upgrade(self, line: RequestLine, text: bytes) -> None:
        self._part = Part.UPGRADED
        self.connections.discard(self)
        self.resume_writing()
        connections, counted, door = self._context.connections, self._counted, self._context.door
        # The socket must not hold this object, nor the parser.
        on_lost = _nothing if connections is None else partial(connections.leave, counted)
        self._counted = None
        protocol = GatewaySocketProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.app_state,
            on_lost=on_lost,
            refusal_headers=self._context.refusal_headers,
            app=door.socket_app if door is not None and self.url.partition(b"?")[0] == door.url else None,
        )
        transport = self.transport
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        del self.parser
        protocol.data_received(text)


def _nothing() -> None:
    """No connections are counted."""


# A new exception each time: the traceback of an exception grows whenever it is raised.


def _invalid() -> HeadRefused:
    return HeadRefused(400, "The request is not valid HTTP/1.1.")


def _too_large() -> HeadRefused:
    return HeadRefused(431, "")
