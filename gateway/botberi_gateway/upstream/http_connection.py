"""A keep-alive connection: writes the bytes of a call, parses what comes back as its answer, closes on a violation."""

import asyncio
import logging
import select
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, cast, overload

import httptools

from botberi_gateway import errors
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import GatewayError, SubgraphError
from botberi_gateway.upstream.answer import invalid, read_answer
from botberi_gateway.upstream.body import BodyError, BodyReader
from botberi_gateway.upstream.port import Answer

logger = logging.getLogger(__name__)

#: Bytes of an answer that is read in a turn of its own.
LARGE: Final = 16 * 1024
#: How many heads of a subgraph's answers are remembered, and how many bytes each may have.
_MAX_HEADS: Final = 256
_MAX_HEAD_BYTES: Final = 1024
#: The most bytes on the wire for each byte of a chunked body (chunk sizes, extensions, trailers); one-byte chunks take
#: six.
_MAX_FRAMING: Final = 8


class Holder(Protocol):
    """Where a call is: in line, or on a connection."""

    def abandon(self, call: "Call") -> None:
        """It is over, whatever comes."""
        ...


class Call(Answer):
    """A request under way, and the future of its answer. Cancelling it gives up its connection at once."""

    __slots__ = ("again", "deadline", "holder", "request")

    request: bytes
    #: Whether it may be sent once more when its connection is lost before an answer began.
    again: bool
    #: By the loop's clock; the pool looks after it.
    deadline: float
    holder: Holder | None

    def cancel(self, msg: Any | None = None) -> bool:
        """See asyncio."""
        self.leave()
        return super().cancel(msg)

    def leave(self) -> None:
        """Let go of its place."""
        holder = self.holder
        if holder is not None:
            self.holder = None
            holder.abandon(self)

    def fail(self, error: SubgraphError) -> None:
        """End it with an error, unless it is over already."""
        self.leave()
        if not self.done():
            self.set_exception(error)


class Head(NamedTuple):
    """The parsed head of an answer whose body has a length and isn't compressed, and whose connection stays open."""

    status: int
    content_type: str | None
    headers: list[tuple[bytes, bytes]]
    length: int


class Owner(Protocol):
    """The pool, as its connections see it."""

    name: str
    options: SubgraphConfig
    #: The bytes of a head -> the parsed head: subgraphs send the same head again and again.
    heads: dict[bytes, Head]

    @property
    def buffer(self) -> memoryview:
        """A buffer for all connections of a loop: its content is used before anything else is read."""
        ...

    def opened(self, connection: "Connection") -> None:
        """The connection is open and counts against the limit."""
        ...

    def release(self, connection: "Connection") -> None:
        """The connection has answered and can take another call."""
        ...

    def gone(self, connection: "Connection") -> None:
        """The connection is closed."""
        ...

    def lost(self, call: Call) -> None:
        """The call's connection was closed before an answer began."""
        ...

    def later(self, read: Callable[[], None]) -> None:
        """Run `read` for a large answer in a later turn of the event loop."""
        ...


class RawHeaders(Sequence[tuple[str, str]]):
    """Headers as (lower-case name, value), decoded when they are read, as few callers do."""

    __slots__ = ("_raw",)

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def __len__(self) -> int:
        return len(self._raw)

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[str, str]]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, str] | Sequence[tuple[str, str]]:
        return list(self)[index]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name, value in self._raw:
            yield name.decode("latin-1").lower(), value.decode("latin-1")


class _Stop(Exception):
    """Ends the parser's work from within a callback."""


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection that carries a single call at a time; bytes that come without a call close it."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        options = owner.options
        self._heads = owner.heads
        self._max_bytes = options.max_response_bytes
        self._max_head_bytes = options.max_header_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._feed: Callable[[Any], None] = self._parser.feed_data
        self._transport: asyncio.Transport | None = None
        #: Peeks at the socket for what has come since the last answer (the event loop may not have read it yet): falsy
        #: for nothing, else bytes or the end.
        self.heard: Callable[[], object] = _closed
        self._call: Call | None = None
        #: When it became idle, by the loop's clock.
        self.since = 0.0
        self._expect()

    def _expect(self) -> None:
        """Ready for an answer."""
        self._headers: list[tuple[bytes, bytes]] = []
        self._answer_headers: list[tuple[bytes, bytes]] = []
        self._body: bytes | bytearray = b""
        self._unpack: BodyReader | None = None
        #: Bytes of this answer: as they came, and those of its body.
        self._wire = self._size = 0
        self._status = 0
        self._content_type: str | None = None
        self._until_close = self._whole = self._reusable = self._is_plain = False
        self._problem: str | None = None

    # The pool's side.

    def carry(self, call: Call) -> None:
        """Send the call's request; only on an idle connection."""
        assert self._transport is not None
        self._call = call
        call.holder = self
        self._transport.write(call.request)

    @property
    def call(self) -> Call | None:
        """The call that the connection carries now."""
        return self._call

    def drop(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def abandon(self, call: Call) -> None:
        """See `Holder`. The connection is closed: the rest of the abandoned answer may still come on it."""
        self._call = None
        self.drop()

    # The loop's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transport has the methods, but is no subclass
        self._owner.opened(self)
        self.heard = _listen(transport.get_extra_info("socket").fileno())

    def data_received(self, data: bytes | memoryview) -> None:
        """See asyncio."""
        call = self._call
        if call is None:
            logger.warning("subgraph %s: bytes without a request; the connection is closed", self._owner.name)
            self.drop()
            return
        first = not self._wire
        if first and isinstance(data, bytes):
            end = data.find(b"\r\n\r\n", 0, _MAX_HEAD_BYTES) + 4
            head = self._heads.get(data[:end])
            if head is not None and len(data) - end == head.length:
                self._answered(call, head.status, head.content_type, head.headers, data[end:], reusable=True)
                return
        self._wire += len(data)
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._whole:
                if self._problem is None:
                    # Not the error itself: its text may quote what came.
                    logger.warning("subgraph %s: not HTTP: %s", self._owner.name, type(error).__name__)
                call.fail(invalid(self._owner.name, self._problem or "something that is not HTTP"))
                return
            # The answer is whole; what follows it was not asked for.
            self._reusable = False
        if self._whole:
            if first and self._reusable and self._is_plain:
                self._remember(data)
            self._deliver(call)
        elif self._wire > self._max_head_bytes + _MAX_FRAMING * self._size:
            call.fail(invalid(self._owner.name, f"more than {self._max_head_bytes} bytes of headers"))

    def eof_received(self) -> None:
        """See asyncio. The connection is closed on our side as well."""
        if self._call is not None and self._until_close:
            self._deliver(self._call)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._transport = None
        self.heard = _closed
        call, self._call = self._call, None
        self._owner.gone(self)
        if call is not None:
            if not self._wire:
                self._owner.lost(call)
            else:
                call.holder = None
                message = f"Subgraph {self._owner.name!r} closed the connection within an answer."
                call.set_exception(SubgraphError(self._owner.name, message, code=errors.SUBGRAPH_UNREACHABLE))
        del self._feed, self._parser  # they hold this

    def _remember(self, data: bytes | memoryview) -> None:
        """Parse the head of an answer that came as a whole."""
        head = bytes(data[: len(data) - self._size])
        if len(head) > _MAX_HEAD_BYTES or not head.endswith(b"\r\n\r\n"):
            return
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        self._heads[head] = Head(self._status, self._content_type, self._answer_headers, self._size)

    def _deliver(self, call: Call) -> None:
        status, content_type, headers = self._status, self._content_type, self._answer_headers
        body, unpack, reusable = self._body, self._unpack, self._reusable
        self._expect()
        if unpack is not None:
            try:
                body = unpack.finish()
            except BodyError as error:
                self._free(call, reusable=reusable)
                call.set_exception(invalid(self._owner.name, str(error)))
                return
        self._answered(call, status, content_type, headers, body, reusable=reusable)

    def _free(self, call: Call, *, reusable: bool) -> None:
        """The call has its answer; the connection takes another call, or is closed."""
        assert self._transport is not None
        self._call = call.holder = None
        # If the request isn't sent to its end, its rest would come before the next request.
        if reusable and not self._transport.get_write_buffer_size():
            self._owner.release(self)
        else:
            self.drop()

    def _answered(
        self,
        call: Call,
        status: int,
        content_type: str | None,
        headers: list[tuple[bytes, bytes]],
        body: bytes | bytearray,
        *,
        reusable: bool,
    ) -> None:
        self._free(call, reusable=reusable)
        name = self._owner.name
        if len(body) < LARGE:
            _read(call, name, status, content_type, headers, body)
        else:
            self._owner.later(partial(_read, call, name, status, content_type, headers, body))

    # The parser's side.

    def on_message_begin(self) -> None:
        """See httptools."""
        if self._whole:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools; trailers come here as well."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """See httptools."""
        headers, self._headers = self._headers, []
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise self._stop("with another protocol")
            return
        self._status = status
        self._answer_headers = headers
        content_type = encoding = length = transfer = None
        size = 0
        for name, value in headers:
            size += len(name) + len(value) + 4
            match len(name):
                case 12:
                    if content_type is None and name.lower() == b"content-type":
                        content_type = value.decode("latin-1")
                case 14:
                    if name.lower() == b"content-length":
                        length = value
                case 16:
                    if name.lower() == b"content-encoding":
                        encoding = value if encoding is None else encoding + b"," + value
                case 17:
                    if name.lower() == b"transfer-encoding":
                        transfer = value if transfer is None else transfer + b"," + value
        self._content_type = content_type
        if size > self._max_head_bytes:
            raise self._stop(f"more than {self._max_head_bytes} bytes of headers")
        if transfer is not None and (transfer.strip().lower() != b"chunked" or length is not None):
            # What ends such a body is a matter of opinion, which is how answers are smuggled.
            raise self._stop("in a framing that is not safe to read")
        if length is not None and length.isdigit() and (len(length) > 18 or int(length) > self._max_bytes):
            raise self._stop(f"more than {self._max_bytes} bytes")
        if encoding is not None:
            try:
                self._unpack = BodyReader(encoding.decode("latin-1"), self._max_bytes)
            except BodyError as error:
                raise self._stop(str(error)) from error
        self._is_plain = length is not None and encoding is None
        self._until_close = length is None and transfer is None and status not in (204, 304)

    def on_body(self, data: bytes) -> None:
        """See httptools."""
        first = not self._size
        self._size += len(data)
        if self._unpack is not None:
            try:
                self._unpack.feed(data)
            except BodyError as error:
                raise self._stop(str(error)) from error
        elif self._size > self._max_bytes:
            raise self._stop(f"more than {self._max_bytes} bytes")
        elif first:
            self._body = data
        else:
            if type(self._body) is bytes:
                self._body = bytearray(self._body)
            self._body += data

    def on_message_complete(self) -> None:
        """See httptools; also after an interim answer."""
        if self._status:
            self._whole = True
            self._reusable = self._parser.should_keep_alive()

    def _stop(self, problem: str) -> _Stop:
        self._problem = problem
        return _Stop()


def _read(
    call: Call,
    name: str,
    status: int,
    content_type: str | None,
    headers: list[tuple[bytes, bytes]],
    body: bytes | bytearray,
) -> None:
    if call.done():  # cancelled since
        return
    try:
        if len(body) >= LARGE and call.spending is not None:
            call.spending.take_bytes(len(body))
        call.set_result(
            read_answer(name, status, content_type, body, RawHeaders(headers), rounded=True, read=call.read)
        )
    except GatewayError as error:
        call.set_exception(error)


class BufferedConnection(Connection, asyncio.BufferedProtocol):
    """For asyncio's own loop, which otherwise makes a large buffer for every read."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner)
        self._shared = owner.buffer

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio."""
        return self._shared

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio."""
        self.data_received(self._shared[:nbytes])


def _listen(descriptor: int) -> Callable[[], object]:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return partial(poll.poll, 0)
    return lambda: select.select([descriptor], [], [], 0)[0]


def _closed() -> bool:
    return True
