"""Chunks of an answer's body -> its bytes, unpacked, never more than a limit."""

import zlib


class BodyError(ValueError):
    """The body can't be used; the message completes "the subgraph answered …"."""


class BodyReader:
    """Counts what comes out of decompression, while it comes out: a small body that unpacks to a huge one is stopped on the way."""

    def __init__(self, encoding: str | None, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._parts: list[bytes] = []
        encoding = (encoding or "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip"):
            raise BodyError("in a content encoding that it was not offered")
        self._unpack = None if encoding == "identity" else zlib.decompressobj(16 + zlib.MAX_WBITS)

    def expect(self, content_length: int | None) -> None:
        """Refuse before reading what announces itself as too large."""
        if content_length is not None and content_length > self._limit:
            raise self._too_large()

    def feed(self, chunk: bytes) -> None:
        if self._unpack is None:
            self._keep(chunk)
            return
        try:
            while chunk:
                if self._unpack.eof:  # another gzip member follows
                    self._unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
                self._keep(self._unpack.decompress(chunk, self._limit - self._size + 1))
                chunk = self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail
        except zlib.error as error:
            raise BodyError("a broken gzip body") from error

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise self._too_large()
        self._parts.append(part)

    def _too_large(self) -> BodyError:
        return BodyError(f"more than {self._limit} bytes")

    def finish(self) -> bytes:
        if self._unpack is not None and not self._unpack.eof:
            raise BodyError("a gzip body that ends too early")
        return b"".join(self._parts)
