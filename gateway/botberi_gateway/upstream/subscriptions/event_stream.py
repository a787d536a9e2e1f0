"""The bytes of a stream of server-sent events -> GraphQL responses (graphql-sse, distinct connections mode)."""

from collections.abc import Iterator

from botberi_gateway.codec import CodecError, decode
from botberi_gateway.upstream.answer import invalid, to_response
from botberi_gateway.upstream.port import SubgraphResponse


class EventReader:
    """Takes a stream piece by piece (WHATWG, server-sent events, section 9.2.6)."""

    def __init__(self, subgraph: str, max_bytes: int) -> None:
        """`max_bytes` bounds one event."""
        self._subgraph, self._max_bytes = subgraph, max_bytes
        self._rest = b""
        self._after_return = False
        self._event, self._size = b"", 0
        self._data: list[bytes] = []
        #: The subgraph says that the subscription has ended.
        self.is_complete = False
        self._is_named = False

    @property
    def may_end(self) -> bool:
        """Whether the end of the stream is the end of the subscription: of servers that don't name their events."""
        return self.is_complete or not self._is_named

    def feed(self, chunk: bytes) -> Iterator[SubgraphResponse]:
        """The responses that have come with this piece. Raises `SubgraphError`."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_return = chunk.endswith(b"\r")
        text = self._rest + chunk
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        for line in lines:
            self._size += len(line)
            self._check_size()
            if not line:
                response = self._dispatch()
                if response is not None:
                    yield response
                if self.is_complete:
                    return
                continue
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"event":
                self._event, self._is_named = value, True
            elif name == b"data":
                self._data.append(value)
        if self._size + len(self._rest) > self._max_bytes:
            raise invalid(self._subgraph, f"an event of more than {self._max_bytes} bytes")

    def _check_size(self) -> None:
        if self._size > self._max_bytes:
            raise invalid(self._subgraph, f"an event of more than {self._max_bytes} bytes")

    def _dispatch(self) -> SubgraphResponse | None:
        event, data = self._event, b"\n".join(self._data)
        self._event, self._data, self._size = b"", [], 0
        if event == b"complete":
            self.is_complete = True
            return None
        if not data or event not in (b"", b"next", b"message"):
            return None  # a sign of life
        try:
            parsed = decode(data)
        except CodecError as error:
            raise invalid(self._subgraph, "malformed JSON") from error
        return to_response(self._subgraph, parsed)
