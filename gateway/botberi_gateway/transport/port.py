"""What the composition root plugs into the transport: who calls, and what subgraphs are told about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botberi_gateway import errors
from botberi_gateway.errors import GatewayError
from botberi_gateway.transport.client import UNKNOWN, Client


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that a client said about itself: header names in lower case, and the payload of `connection_init` on a WebSocket.

    `client` is where the request comes from: the address behind trusted proxies, and the device. Of the headers, those in which proxies
    report it (`x-forwarded-for`, …) are as they came, and anybody may have written them. A payload's `Authorization` (or `token`) is already in `headers["authorization"]`: a browser can't send that header on a socket.
    """

    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    client: Client = UNKNOWN
    #: Cookies that came with several values; they are not among `cookies`, as none of the values may be trusted.
    ambiguous_cookies: frozenset[str] = frozenset()


class Caller(Protocol):
    """Who calls. The transport knows a subject (None or an agreed word: anonymous) and hands the rest on."""

    @property
    def subject(self) -> str | None:
        """Who, as `@subject` in `@eventSource(where:)` means it."""
        ...


class Unauthenticated(GatewayError):
    """The credentials are no good. `message` reaches the client."""

    code = errors.UNAUTHENTICATED


class Authenticator(Protocol):
    """Credentials -> caller. Asked for every request, and again and again for an open socket: cache inside."""

    async def authenticate(self, credentials: Credentials) -> Caller | None:
        """The caller, None for nobody in particular. Raises `Unauthenticated` for credentials that are wrong, revoked or expired."""
        ...


class SubgraphHeaders(Protocol):
    """What a subgraph is told about the caller, such as a signed assertion."""

    def headers_for(self, caller: Caller | None, subgraph: str, client: Client = UNKNOWN) -> Mapping[str, str]:
        """Headers of every request to this subgraph on behalf of this caller; they win over forwarded ones.

        `client` is where the request comes from (`UNKNOWN` for events that several subscribers share); an implementation that takes two
        arguments is called without.
        """
        ...


class Observer(Protocol):
    """Told of what happened, for metrics. Must not raise or wait."""

    def operation(self, kind: str, outcome: str, seconds: float) -> None:
        """An operation ended; `outcome` is `ok`, `partial` or an error code."""
        ...

    def subscriptions(self, change: int) -> None:
        """A subscription began (+1) or ended (-1)."""
        ...

    def sockets(self, change: int) -> None:
        """A WebSocket was opened (+1) or closed (-1)."""
        ...

    def shared(self) -> None:
        """A query got the answer of an equal one that was under way."""
        ...
