"""The ports of the transport, which its user fills: who calls, what subgraphs learn of the caller, what is measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botberi_gateway import errors
from botberi_gateway.errors import GatewayError
from botberi_gateway.transport.client import UNKNOWN, Client


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client says about itself: headers, cookies, and the payload of `connection_init` on a WebSocket.

    Names of headers are in lower case. `client` is where the request comes from: the address behind trusted proxies,
    and the device. Headers in which proxies report the address (`x-forwarded-for`, …) are as they came, and any client
    may have written them. A payload's `Authorization` (or `token`) is already in `headers["authorization"]`, as a
    browser can't send that header on a socket.
    """

    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    client: Client = UNKNOWN
    #: Cookies that came with several values; they are not among `cookies`, as none of the values may be trusted.
    ambiguous_cookies: frozenset[str] = frozenset()


class Caller(Protocol):
    """Who calls.

    The transport reads `subject` (None for an anonymous caller) and passes the object on to `SubgraphHeaders`. An
    implementation may have `rights` as well: a value that is another one when the same caller may see other things than
    before. Open subscriptions of that caller end then, before anything more is delivered.
    """

    @property
    def subject(self) -> str | None:
        """The caller's id, which `@subject` in `@eventSource(where:)` stands for."""
        ...


class Unauthenticated(GatewayError):
    """The credentials are no good. `message` reaches the client."""

    code = errors.UNAUTHENTICATED


class Authenticator(Protocol):
    """Credentials -> caller. It is asked for every request, and repeatedly for an open socket, so it should cache."""

    async def authenticate(self, credentials: Credentials) -> Caller | None:
        """The caller; None for an anonymous one.

        Raises `Unauthenticated` for credentials that are wrong, revoked or expired.
        """
        ...


class SubgraphHeaders(Protocol):
    """Makes the headers by which a subgraph learns who calls, such as a signed assertion."""

    def headers_for(self, caller: Caller | None, subgraph: str, client: Client = UNKNOWN) -> Mapping[str, str]:
        """Headers of every request to this subgraph on behalf of this caller; they win over forwarded ones.

        `client` is where the request comes from (`UNKNOWN` for events that several subscribers share); an
        implementation that takes two arguments is called without.
        """
        ...


class Observer(Protocol):
    """Is called when something happens that metrics count. Must not raise or wait."""

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
