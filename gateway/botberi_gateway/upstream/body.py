"""Chunks of an answer's body -> its bytes, unpacked, never more than a limit."""

import zlib
from typing import Final

_GZIP: Final = 16 + zlib.MAX_WBITS
#: Content coding -> zlib's window; None: nothing to unpack.
_WINDOWS: Final = {"identity": None, "gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}
#: Bytes that compression may add to a body that it doesn't shorten, besides a hundredth of the body.
_MAX_OVERHEAD_BYTES: Final = 4096


def packed(body: bytes) -> bytes:
    """The body in gzip, quickly rather than well."""
    compressor = zlib.compressobj(1, wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()


class BodyError(ValueError):
    """The body can't be used; the message completes "the subgraph answered …"."""


class BodyTooLarge(BodyError):
    """The body is longer than the limit, packed or unpacked."""


class BodyReader:
    """Unpacks a body piece by piece and counts bytes, so that a small body that unpacks to a huge one is refused."""

    def __init__(self, encoding: str | None, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._parts: list[bytes] = []
        encoding = (encoding or "identity").strip().lower()
        if encoding not in _WINDOWS:
            raise BodyError("in a content encoding that it was not offered")
        self._encoding = encoding
        window = _WINDOWS[encoding]
        self._unpack = None if window is None else zlib.decompressobj(window)
        self._packed = 0

    def expect(self, content_length: int | None) -> None:
        """Refuse a body whose announced length is over the limit, before it is read."""
        if content_length is not None and content_length > self._limit:
            raise self._too_large()

    def feed(self, chunk: bytes) -> None:
        if self._unpack is None:
            self._keep(chunk)
            return
        self._packed += len(chunk)
        if self._packed > self._limit + self._limit // 100 + _MAX_OVERHEAD_BYTES:
            raise self._too_large()  # empty pieces without end, for instance
        if self._packed == len(chunk) and chunk and self._encoding == "deflate" and chunk[0] & 0x0F != 8:
            # Some servers leave out zlib's own header, which says 8 here.
            self._unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            while chunk:
                if self._unpack.eof:
                    if self._encoding == "deflate":
                        raise BodyError("more than a deflate body")
                    self._unpack = zlib.decompressobj(_GZIP)  # another gzip member follows
                self._keep(self._unpack.decompress(chunk, self._limit - self._size + 1))
                chunk = self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail
        except zlib.error as error:
            raise BodyError(f"a broken {self._encoding} body") from error

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise self._too_large()
        self._parts.append(part)

    def _too_large(self) -> BodyError:
        return BodyTooLarge(f"more than {self._limit} bytes")

    def finish(self) -> bytes:
        if self._unpack is not None and not self._unpack.eof:
            raise BodyError(f"a {self._encoding} body that ends too early")
        return b"".join(self._parts)
