"""When two queries of clients are equal, so that they can share one execution."""

from collections.abc import Mapping
from typing import Final

from botberi_gateway.upstream.sharing import TRACING_HEADERS

#: The body is compared by what it says.
_NOT_COMPARED: Final = TRACING_HEADERS | {"content-length"}


def asker(headers: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The headers that distinguish requests of different callers, as a set.

    Every header counts but those of tracing, as an authenticator may look at any.
    """
    return frozenset(pair for pair in headers.items() if pair[0] not in _NOT_COMPARED)
