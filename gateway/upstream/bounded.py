"""JSON written into a buffer of fixed size: a value that would take more raises, however much memory or time its whole text would need.

Results share what several places show, so that a few kilobytes of objects can be gigabytes of JSON.
"""

import threading
from typing import Any, Final

import msgspec

from gateway.upstream.codec import CodecError, encode_slowly

#: Of the buffer that a thread keeps. Longer texts are written again, into one that goes back to the system at once.
KEPT: Final = 128 * 1024

_encode_into: Final = msgspec.json.Encoder(decimal_format="number").encode_into


class TooLong(Exception):
    """The JSON has more bytes than were allowed."""


def encode_within(value: Any, limit: int) -> bytes:
    """`codec.encode` of at most `limit` bytes; of what msgspec can't write as well. Raises `TooLong` and `CodecError`."""
    try:
        return encode_bounded(value, limit)
    except TooLong:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    try:
        return encode_slowly(value, limit)
    except CodecError:
        raise
    except OverflowError:
        raise TooLong from None


class _Buffer(threading.local):
    def __init__(self) -> None:
        self.bytes = bytearray(KEPT)


_buffer: Final = _Buffer()
_ZEROS: Final = memoryview(bytes(KEPT))


def encode_bounded(value: Any, limit: int) -> bytes:
    """At most `limit` bytes. Raises `TooLong`, and what msgspec raises for what it can't write."""
    if limit > KEPT:
        try:
            return _write(value, _buffer.bytes)
        except TooLong:
            return _write(value, bytearray(limit))
    return _write(value, bytearray(limit))


def _write(value: Any, buffer: bytearray) -> bytes:
    size = len(buffer)
    # A bytearray that somebody looks at can't grow: msgspec raises where it would have to.
    lock = memoryview(buffer)
    try:
        _encode_into(value, buffer)
        return bytes(buffer)
    except BufferError:
        raise TooLong from None
    finally:
        lock.release()
        if size == KEPT and len(buffer) < KEPT:
            buffer += _ZEROS[len(buffer) :]
