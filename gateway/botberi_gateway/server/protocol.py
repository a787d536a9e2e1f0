"""One connection's bytes -> requests, each bounded in size and time, and framed in exactly one way.

Uvicorn's protocol and its parser, fed one part of a message at a time: first a whole head, which `head.py` has looked
at; then its body and not a byte more. What follows waits until the answer is on its way, so that no byte is ever read
as something that it isn't.
"""

import asyncio
import urllib.parse
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from botberi_gateway.config import ServerConfig
from botberi_gateway.server.chunks import ChunkScanner
from botberi_gateway.server.connections import ConnectionLimit, TooManyConnections
from botberi_gateway.server.head import (
    Framing,
    HeadRefused,
    RequestLine,
    check_beginning,
    read_framing,
    read_line,
)
from botberi_gateway.server.lingering import LingeringTransport
from botberi_gateway.server.quick import QuickCycle, QuickDoor
from botberi_gateway.server.socket import GatewaySocketProtocol
from botberi_gateway.transport.identity import decode_headers

_END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What all connections of one server share."""

    config: ServerConfig = field(default_factory=ServerConfig)
    #: Answers plain `POST`s to the endpoint.
    door: QuickDoor | None = None
    connections: ConnectionLimit | None = None
    #: Header lines of refusals that the server itself writes.
    refusal_headers: bytes = b""


class _State(Enum):
    """Which part of a message comes next. `ENDING`: none; what still comes is thrown away."""

    HEAD = auto()
    BODY = auto()
    CHUNKS = auto()
    UPGRADED = auto()
    ENDING = auto()


@dataclass(slots=True)
class _Known:
    """The head of the connection's last plain `POST`: clients repeat themselves."""

    text: bytes
    headers: dict[str, str]
    length: int
    keep_alive: bool


class GatewayProtocol(HttpToolsProtocol):
    """The HTTP side of one connection."""

    def __init__(self, context: ServerContext, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._context, self._config = context, context.config
        self._state = _State.HEAD
        #: The part of a head that has come.
        self._head: bytearray | None = None
        #: What came after a request that isn't answered yet.
        self._rest = b""
        self._known: _Known | None = None
        # Of the message that is being read.
        self._headers_complete = self._message_complete = False
        self._keep_alive = True
        self._left = 0
        self._chunks = ChunkScanner(context.config.max_header_bytes)
        #: The body of a plain POST that may still come whole, and its headers.
        self._held: bytes | None = None
        self._decoded: dict[str, str] = {}
        self._stopping = False
        self._drained = 0
        self._idle_since: float | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._counted: str | None = None

    # The connection.

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
        self._head_timer = self.loop.call_later(self._config.header_timeout_seconds, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._end_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._release()
        self._held, self._rest, self._head = None, b"", None
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()
        if isinstance(self.cycle, QuickCycle):
            self.cycle.gone()

    def _release(self) -> None:
        if self._context.connections is not None:
            self._context.connections.leave(self._counted)
            self._counted = None

    def shutdown(self) -> None:
        """See uvicorn: the server stops."""
        self._stopping = True
        super().shutdown()

    # Bytes.

    def data_received(self, data: bytes) -> None:
        self._idle_since = None
        if self._rest:
            data, self._rest = self._rest + data, b""
        self._consume(data)

    def _consume(self, data: bytes) -> None:
        while data and not self.transport.is_closing():
            match self._state:
                case _State.HEAD:
                    if self.cycle is not None and not self.cycle.response_complete:
                        self._rest = data
                        self.flow.pause_reading()
                        return
                    data = self._read_head(data)
                case _State.BODY:
                    data = self._read_body(data)
                case _State.CHUNKS:
                    data = self._read_chunks(data)
                case _State.ENDING:
                    self._drain(len(data))
                    return
                case _State.UPGRADED:
                    return
        if self._held is not None and self._state is _State.BODY:
            self._let_go()
        elif self._head is not None and self._head_timer is None:
            # Most heads come in one piece and never need a timer.
            self._head_timer = self.loop.call_later(self._config.header_timeout_seconds, self._late)

    def _read_head(self, data: bytes) -> bytes:
        """What comes after the head, or nothing where it isn't whole yet."""
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
        known = self._known
        if known is not None and text == known.text and known.length <= len(rest) and not self.flow.write_paused:
            # What was read once need not be read again; the parser is between two messages and stays there.
            self._keep_alive = known.keep_alive
            self._decoded = known.headers.copy()
            self._answer_quickly(rest[: known.length])
            return rest[known.length :]
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
        """Feed the parser. Raises `HeadRefused` where it doesn't agree."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            raise _invalid() from None

    def _begin(self, line: RequestLine, framing: Framing, decoded: dict[str, str], text: bytes, rest: bytes) -> None:
        """Act on a whole head that is good."""
        if not self._headers_complete:
            raise _invalid()
        if framing.upgrades:
            if rest:
                raise HeadRefused(400, "Nothing follows a WebSocket's handshake until it is answered.")
            self._upgrade(line, text)
            return
        if framing.chunked:
            self._state, self._chunks = _State.CHUNKS, ChunkScanner(self._config.max_header_bytes)
        elif framing.length:
            self._state, self._left = _State.BODY, framing.length
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
                self._known = _Known(text, decoded, framing.length, self._keep_alive)
                return
        elif not self._message_complete:
            raise _invalid()
        self._start_app(line)
        if self._state is _State.HEAD:
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

    # The parser's words.

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
        """The rest of the body is still on its way: the app waits for it, as long as it may."""
        body, self._held = self._held, None
        try:
            self._start_app(RequestLine(b"POST", self.url, b"1"))
        except HeadRefused as refused:
            self._refuse(refused.status, refused.reason)
            return
        if body:
            self.on_body(body)

    def _end_message(self) -> None:
        self._state = _State.HEAD
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
        cycle = QuickCycle(door, self.transport, keep_alive, default, self.on_response_complete, self.tasks)
        self.cycle = cycle  # type: ignore[assignment]  # what uvicorn asks of its own is there
        cycle.start(self.loop, self._decoded, body, self.client)

    def _upgrade(self, line: RequestLine, text: bytes) -> None:
        self._state = _State.UPGRADED
        self.connections.discard(self)
        self.resume_writing()
        protocol = GatewaySocketProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.app_state,
            on_lost=self._release,
            refusal_headers=self._context.refusal_headers,
        )
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(text)

    # One timer looks after a connection's idleness, instead of a new one after each answer.

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._cut_later()
            return
        if self._state is _State.ENDING:
            return
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        if self._rest:
            data, self._rest = self._rest, b""
            self._idle_since = None
            self._consume(data)

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

    # The end.

    def _late(self) -> None:
        self._head_timer = None
        if self._state is _State.HEAD and not self.transport.is_closing():
            # What a client sends after its time is over isn't read any more.
            self._state = _State.ENDING
            self.transport.write(self._refusal(408, ""))
            self.transport.close()
            self._cut_later()

    def _refuse(self, status: int, reason: str = "") -> None:
        """Answer what is no request, or no longer one, and end the connection."""
        cycle = self.cycle
        self._held = None
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
        """The app's answer is written and the connection shall end; the request may not have come whole."""
        if self._state in (_State.BODY, _State.CHUNKS):
            self._linger()
        elif not self.transport.is_closing():
            self.transport.close()

    def _linger(self) -> None:
        """Say that nothing more is sent, then read on for a moment.

        A connection that is closed with unread bytes is reset by the kernel, and the client might never see the answer.
        """
        self._state = _State.ENDING
        self._head = None
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
        """Cut the connection after `linger_timeout_seconds`.

        It doesn't matter how slowly the client reads, and what it still sends.
        """
        if self._end_timer is None:
            self._end_timer = self.loop.call_later(self._config.linger_timeout_seconds, self.transport.abort)


# A new exception each time: the traceback of an exception grows whenever it is raised.


def _invalid() -> HeadRefused:
    return HeadRefused(400, "The request is not valid HTTP/1.1.")


def _too_large() -> HeadRefused:
    return HeadRefused(431, "")
