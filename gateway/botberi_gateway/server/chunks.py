"""A chunked body's bytes -> where the body ends; each line of it is checked.

The parser decodes the body. This scanner says which bytes belong to it, so that the parser never sees the next
message's, and refuses what parsers are known to read in different ways: long sizes, other line ends, trailers that
change the framing.
"""

import re
from enum import Enum, auto
from typing import Final

from botberi_gateway.server.head import HeadRefused

#: A size of up to 16 digits and an extension, which is ignored.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*\r\n")
#: What belongs to the head alone: a trailer of these names means another framing, another host or another connection to
#: somebody (RFC 9110, section 6.5.1).
_FORBIDDEN_TRAILERS: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"host", b"upgrade", b"connection", b"trailer", b"te")
)
_MAX_SIZE_LINE: Final = 1_024


class _Next(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()


class ChunkScanner:
    """Follows one body. `ended` is set when its last byte was seen."""

    def __init__(self, max_framing_bytes: int) -> None:
        """`max_framing_bytes` bounds size lines, extensions and trailers together.

        Beyond it, one byte of framing may come for each byte of data.
        """
        self.ended = False
        self._max = max_framing_bytes
        self._next = _Next.SIZE
        self._left = 0
        self._line = b""
        self._framing = self._data = 0

    def take(self, data: bytes) -> int:
        """How many of these bytes belong to the body: all, unless it ends within them. Raises `HeadRefused`."""
        position = 0
        while position < len(data) and not self.ended:
            if self._next is _Next.DATA:
                step = min(self._left, len(data) - position)
                position += step
                self._left -= step
                self._data += step
                if not self._left:
                    self._next = _Next.DATA_END
            else:
                position = self._take_line(data, position)
        return position

    def _take_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position) + 1 or len(data)
        line = self._line = self._line + data[position:end]
        self._framing += end - position
        if self._framing > self._max + self._data:
            raise HeadRefused(400, "The body is mostly framing.")
        if line.endswith(b"\n"):
            self._line = b""
            self._end_line(line)
        elif self._next is not _Next.TRAILER and len(line) > (_MAX_SIZE_LINE if self._next is _Next.SIZE else 1):
            raise HeadRefused(400, "A chunk's line has no end.")
        return end

    def _end_line(self, line: bytes) -> None:
        if self._next is _Next.DATA_END:
            if line != b"\r\n":
                raise HeadRefused(400, "A chunk is longer than it says.")
            self._next = _Next.SIZE
        elif self._next is _Next.SIZE:
            size = _SIZE_LINE.fullmatch(line)
            if size is None:
                raise HeadRefused(400, "A chunk's size is not valid.")
            self._left = int(size[1], 16)
            self._next = _Next.DATA if self._left else _Next.TRAILER
        elif line == b"\r\n":
            self.ended = True
        else:
            trailer = _TRAILER_LINE.fullmatch(line)
            if trailer is None or trailer[1].lower() in _FORBIDDEN_TRAILERS:
                raise HeadRefused(400, "A trailer is not valid, or says what belongs to the head.")
