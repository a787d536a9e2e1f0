"""Headers, cookies and socket payloads -> credentials -> caller -> the engine's request context."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.engine import RequestContext
from gateway.transport.port import Authenticator, Caller, Credentials, SubgraphHeaders

#: Never forwarded, whatever the settings say: they belong to one connection, or would reframe the request.
_NEVER: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "expect", "content-length", "content-type", "content-encoding"),
        *("accept", "accept-encoding", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"),
        "sec-websocket-extensions",
    }
)


#: They differ from request to request and change no answer.
_TRACING: Final = frozenset({"traceparent", "tracestate", "baggage", "x-request-id", "x-correlation-id"})
#: Of headers that nearly every request has.
_NAMES: Final = {
    name.encode(): name
    for name in (
        *("host", "content-type", "content-length", "accept", "accept-encoding", "accept-language", "user-agent"),
        *("connection", "origin", "referer", "cookie", "authorization", "x-request-id", "traceparent", "tracestate"),
        *("x-forwarded-for", "x-forwarded-proto", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"),
    )
}


def decode_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI headers as lower-case name -> value; repeated ones joined as RFC 9110 (and for cookies RFC 9113) says."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = _NAMES.get(name_bytes) or name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        if name in headers:
            value = headers[name] + ("; " if name == "cookie" else ", ") + value
        headers[name] = value
    return headers


def parse_cookies(header: str) -> dict[str, str]:
    """`Cookie` -> name -> value; the first of a name counts, as browsers send the most specific first."""
    cookies: dict[str, str] = {}
    for item in header.split(";"):
        name, separator, value = item.strip().partition("=")
        if separator:
            cookies.setdefault(name.strip(), value.strip().strip('"'))
    return cookies


class Identity:
    """Fills the ports, or stands in for them where none is plugged in (everybody is anonymous)."""

    def __init__(
        self,
        authenticator: Authenticator | None,
        subgraph_headers: SubgraphHeaders | None,
        forward_headers: Sequence[str],
        response_headers: Mapping[str, Sequence[str]],
    ) -> None:
        refused = sorted(_NEVER.intersection(name.lower() for name in forward_headers))
        if refused:
            raise ValueError(f"These headers can't be forwarded to subgraphs: {', '.join(refused)}")
        self._authenticator = authenticator
        self._subgraph_headers = subgraph_headers
        self._forward = tuple(name.lower() for name in forward_headers)
        self._telling = tuple(name for name in self._forward if name not in _TRACING)
        self._response = {name: frozenset(h.lower() for h in allowed) for name, allowed in response_headers.items()}

    @property
    def is_checked(self) -> bool:
        """Whether anybody is asked who calls."""
        return self._authenticator is not None

    def credentials(self, headers: Mapping[str, str], params: Mapping[str, Any] | None = None) -> Credentials:
        """Credentials of a request, or of a socket with its `connection_init` payload, which wins over the upgrade's headers."""
        if not self.is_checked and not params:
            return Credentials(headers, {})  # nobody will look at them
        merged = dict(headers)
        for name, value in (params or {}).items():
            lowered = name.lower()
            if (
                isinstance(value, str)
                and _is_header_value(value)
                and (lowered in self._forward or lowered == "authorization")
            ):
                merged[lowered] = value
        token = (params or {}).get("token")
        if isinstance(token, str) and _is_header_value(token) and not _given(params, "authorization"):
            merged["authorization"] = token if token.lower().startswith("bearer ") else f"Bearer {token}"
        return Credentials(merged, parse_cookies(merged.get("cookie", "")), dict(params or {}))

    async def authenticate(self, credentials: Credentials) -> Caller | None:
        """Raises `Unauthenticated`."""
        if self._authenticator is None:
            return None
        return await self._authenticator.authenticate(credentials)

    def context(
        self, caller: Callable[[], Caller | None], headers: Mapping[str, str], last_event_id: str | None = None
    ) -> RequestContext:
        """What the engine needs to act for the caller, who is asked for anew with every subgraph request."""
        forwarded = {name: headers[name] for name in self._forward if name in headers}
        port = self._subgraph_headers

        def subgraph_headers(subgraph: str) -> Mapping[str, str]:
            if port is None:
                return forwarded
            own = port.headers_for(caller(), subgraph)
            return {**forwarded, **{name.lower(): value for name, value in own.items()}}

        now = caller()
        subject = now.subject if now is not None else None
        kept: list[tuple[str, str, str]] | None = [] if self._response else None
        return RequestContext(subgraph_headers, subject, kept, last_event_id=last_event_id)

    def share(self, caller: Caller | None, headers: Mapping[str, str]) -> Hashable | None:
        """`RequestContext.share` of a subscription.

        Equal for callers that are equal (by their own `==`) and whose headers reach subgraphs alike, but for those that only trace.
        """
        told = tuple([(name, headers[name]) for name in self._telling if name in headers])
        try:
            hash(caller)
        except TypeError:
            return None
        return "identity", caller, told

    def client_headers(self, context: RequestContext) -> list[tuple[bytes, bytes]]:
        """Subgraphs' response headers that the rules let through."""
        if not context.response_headers:
            return []
        return [
            (name.encode("latin-1"), value.encode("latin-1"))
            for subgraph, name, value in context.response_headers
            if name.lower() in self._response.get(subgraph, ())
        ]


def _given(params: Mapping[str, Any] | None, name: str) -> bool:
    return any(key.lower() == name for key in params or {})


def _is_header_value(value: str) -> bool:
    return len(value) <= 8192 and all(" " <= char <= "~" or char == "\t" for char in value)
