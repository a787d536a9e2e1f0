"""`Accept-Encoding` and an answer's body -> the body as it is sent (RFC 9110, section 12.5.3)."""

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from botberi_gateway.config import CompressionConfig
from botberi_gateway.transport.negotiate import MAX_ITEMS, parse_media_type

_GZIP: Final = 16 + zlib.MAX_WBITS
#: A longer body is packed in a thread: it would keep other requests waiting.
_MAX_BYTES_IN_LOOP: Final = 64 * 1024
#: The answer depends on the request's header, whether it was packed or not.
_VARY: Final = (b"vary", b"accept-encoding")

Packer: TypeAlias = Callable[[bytes], bytes]


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(4, wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()


def _brotli() -> Packer:
    import brotli

    return lambda body: bytes(brotli.compress(body, quality=4))


def _zstandard() -> Packer:
    import zstandard

    # One compressor for each call: they can't be used by several threads at once.
    return lambda body: bytes(zstandard.ZstdCompressor(level=3).compress(body))


#: Content coding -> what makes its packer, which may need a package that isn't installed.
_CODINGS: Final[Mapping[str, Callable[[], Packer]]] = {"gzip": lambda: _gzip, "br": _brotli, "zstd": _zstandard}


class Compression:
    """Packs the answers of one app."""

    def __init__(self, config: CompressionConfig) -> None:
        """Raises `ValueError` for a content coding that is unknown, or whose package isn't installed."""
        self._from_bytes = config.compress_from_bytes
        self._packers = {name: _packer(name) for name in config.encodings}
        offered = tuple(config.encodings)
        self._choose = lru_cache(maxsize=256)(lambda accepted: choose(accepted, offered))

    async def pack(self, accept_encoding: str | None, body: bytes) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """The body, packed where the client takes that and it is long enough; and headers that say so."""
        if accept_encoding is None or len(body) < self._from_bytes or len(accept_encoding) > 256:
            return body, (_VARY,)
        encoding = self._choose(accept_encoding)
        if encoding is None:
            return body, (_VARY,)
        packer = self._packers[encoding]
        packed = await asyncio.to_thread(packer, body) if len(body) > _MAX_BYTES_IN_LOOP else packer(body)
        return packed, (_VARY, (b"content-encoding", encoding.encode()))


def choose(accept_encoding: str, offered: Sequence[str]) -> str | None:
    """The offered coding that the client likes best (of equals the first that is offered); None for none."""
    weights: dict[str, float] = {}
    for item in accept_encoding.split(",", MAX_ITEMS)[:MAX_ITEMS]:
        name, parameters = parse_media_type(item)
        try:
            weights[name] = float(parameters.get("q", "1"))
        except ValueError:
            weights[name] = 0.0
    best = max(offered, key=lambda name: weights.get(name, weights.get("*", 0.0)), default=None)
    if best is None:
        return None
    weight = weights.get(best, weights.get("*", 0.0))
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


def _packer(name: str) -> Packer:
    if name not in _CODINGS:
        raise ValueError(f"{name!r} is none of the content codings {', '.join(_CODINGS)}")
    try:
        return _CODINGS[name]()
    except ImportError:
        raise ValueError(f"the content coding {name!r} needs botberi-gateway[compression] to be installed") from None
