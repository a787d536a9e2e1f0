"""JSON written into a buffer of fixed size: a value whose text is longer raises before the rest of it is written.

Objects that stand at several places of a result are shared, so that a few kilobytes of objects can be gigabytes of
JSON.
"""

import threading
from typing import Any, Final

import msgspec

from botberi_gateway.codec import CodecError, encode_slowly

#: Sizes in bytes of the buffers that a thread keeps, 2 MiB together; a buffer exists once a text has needed it. A short
#: text gets a short buffer, because filling a buffer again after each text would cost more than writing the text.
KEPT: Final = tuple(4096 << step for step in range(9))

#: The size in bytes that is tried first for a text that may be long.
_EXPECTED: Final = 128 * 1024

_encode_into: Final = msgspec.json.Encoder(decimal_format="number").encode_into


class TooLong(Exception):
    """The JSON has more bytes than were allowed."""


def encode_within(value: Any, limit: int) -> bytes:
    """The JSON of a value, as `codec.encode` writes it, of at most `limit` bytes. Raises `TooLong` and `CodecError`."""
    try:
        return encode_bounded(value, limit, _EXPECTED)
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


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.by_size: dict[int, bytearray] = {}
        #: Warm memory costs a tenth less of a long text than memory that grows with it.
        self.growing = bytearray(64 * 1024)


_buffers: Final = _Buffers()
_ZEROS: Final = memoryview(bytes(KEPT[-1]))


def encode_all(value: Any) -> bytes:
    """The JSON of a value whose length needs no limit, as it was parsed from an answer.

    Raises msgspec's errors for a value that msgspec can't write.
    """
    buffer = _buffers.growing
    _encode_into(value, buffer)
    written = bytes(buffer)
    if len(written) > KEPT[-1]:
        _buffers.growing = bytearray()
    return written


def encode_bounded(value: Any, limit: int, expected: int = 0) -> bytes:
    """The JSON of a value, of at most `limit` bytes; quickest where `expected` is about its length.

    Raises `TooLong`, and msgspec's errors for a value that msgspec can't write.
    """
    size = KEPT[0]
    while size < expected:
        size *= 2
    while size < limit:
        try:
            return _write(value, _kept(size) if size <= KEPT[-1] else bytearray(size))
        except TooLong:
            size *= 4
    return _write(value, bytearray(limit))


def _kept(size: int) -> bytearray:
    buffers = _buffers.by_size
    buffer = buffers.get(size)
    if buffer is None:
        buffer = buffers[size] = bytearray(size)
    elif len(buffer) < size:
        buffer += _ZEROS[: size - len(buffer)]
    return buffer


def _write(value: Any, buffer: bytearray) -> bytes:
    # A bytearray with a memoryview on it can't grow: msgspec raises where it would have to.
    lock = memoryview(buffer)
    try:
        _encode_into(value, buffer)
        return bytes(buffer)
    except BufferError:
        raise TooLong from None
    finally:
        lock.release()
