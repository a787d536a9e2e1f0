"""The bytes of a multipart answer -> GraphQL responses (multipart subscriptions, `subscriptionSpec=1.0`)."""

import re
from collections.abc import Iterator
from typing import Final

from botberi_gateway.codec import CodecError, decode
from botberi_gateway.upstream.answer import invalid, to_response
from botberi_gateway.upstream.port import SubgraphResponse

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)


def boundary_of(content_type: str) -> str | None:
    """The boundary that a `multipart/mixed` content type names; `-` where it names none; None for another type."""
    if content_type.partition(";")[0].strip().lower() != "multipart/mixed":
        return None
    found = _BOUNDARY.search(content_type)
    return (found[1] or found[2]) if found else "-"


class PartReader:
    """Takes a stream piece by piece."""

    def __init__(self, subgraph: str, boundary: str, max_bytes: int) -> None:
        """`max_bytes` bounds one part."""
        self._subgraph, self._max_bytes = subgraph, max_bytes
        self._delimiter = b"\r\n--" + boundary.encode()
        # As if a line had ended before the first delimiter.
        self._rest = b"\r\n"
        self._is_first = True
        #: The subgraph says that the subscription has ended.
        self.is_complete = False

    @property
    def may_end(self) -> bool:
        """Whether the end of the stream is the end of the subscription."""
        return self.is_complete

    def feed(self, chunk: bytes) -> Iterator[SubgraphResponse]:
        """The responses that have come with this piece. Raises `SubgraphError`."""
        self._rest += chunk
        while True:
            # Two bytes more say whether it is the last delimiter.
            at = self._rest.find(self._delimiter)
            end = at + len(self._delimiter)
            if at < 0 or len(self._rest) < end + 2:
                break
            part, self._rest = self._rest[:at], self._rest[end:]
            if self._rest.startswith(b"--"):
                self.is_complete = True
            if not self._is_first:
                response = self._read(part)
                if response is not None:
                    yield response
            self._is_first = False
            if self.is_complete:
                return
        if len(self._rest) > self._max_bytes:
            raise invalid(self._subgraph, f"a part of more than {self._max_bytes} bytes")

    def _read(self, part: bytes) -> SubgraphResponse | None:
        _, _, body = part.partition(b"\r\n\r\n")
        if len(body) > self._max_bytes:
            raise invalid(self._subgraph, f"a part of more than {self._max_bytes} bytes")
        try:
            parsed = decode(body)
        except CodecError as error:
            raise invalid(self._subgraph, "malformed JSON") from error
        if not isinstance(parsed, dict):
            raise invalid(self._subgraph, "a part that is no object")
        if "payload" not in parsed:
            return None  # a sign of life
        if parsed["payload"] is None:
            # The errors beside it end the subscription.
            self.is_complete = True
            return (
                to_response(self._subgraph, {"data": None, "errors": parsed.get("errors")})
                if "errors" in parsed
                else None
            )
        return to_response(self._subgraph, parsed["payload"])
