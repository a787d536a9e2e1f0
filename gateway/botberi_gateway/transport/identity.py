"""Headers, cookies and socket payloads -> credentials -> caller -> the engine's request context."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from inspect import Parameter, signature
from typing import Any, Final

from botberi_gateway.config import HeadersConfig
from botberi_gateway.engine import RequestContext
from botberi_gateway.transport.client import UNKNOWN, Client
from botberi_gateway.transport.header_rules import (
    ADDRESS_HEADERS,
    HEADER_NAME,
    NEVER_SENT,
    PROXY_HEADERS,
    RequestRules,
    ResponseRules,
    is_header_value,
)
from botberi_gateway.transport.notice import Notice
from botberi_gateway.transport.port import Authenticator, Caller, Credentials, SubgraphHeaders

logger = logging.getLogger(__name__)

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


def parse_cookies(header: str) -> tuple[dict[str, str], frozenset[str]]:
    """`Cookie` -> name -> value, and the names that came with several values.

    Those are left out of the first: another host of the same site may have set one of them, and which, the header
    doesn't say.
    """
    cookies: dict[str, str] = {}
    ambiguous: frozenset[str] = frozenset()
    for item in header.split(";"):
        name, separator, value = item.strip().partition("=")
        if separator:
            name, value = name.strip(), value.strip().strip('"')
            if cookies.setdefault(name, value) != value:
                ambiguous |= {name}
    for name in ambiguous:
        del cookies[name]
    return cookies, ambiguous


def check_forwarded(names: Sequence[str], internal: AbstractSet[str] = frozenset()) -> None:
    """Raises `ValueError` for names of headers that can't be forwarded to subgraphs.

    These are headers of one connection or one request's framing, those in `internal`, and what can't be a header's name
    at all (RFC 9110, section 5.1).
    """
    refused = sorted((NEVER_SENT | internal).intersection(name.lower() for name in names))
    if refused:
        raise ValueError(f"These headers can't be forwarded to subgraphs: {', '.join(refused)}")
    invalid = sorted(name for name in names if not HEADER_NAME.fullmatch(name))
    if invalid:
        raise ValueError(f"These can't be names of headers: {', '.join(map(repr, invalid))}")


class Identity:
    """Asks the ports who calls and what subgraphs learn of it. Without an authenticator every caller is anonymous."""

    def __init__(
        self,
        authenticator: Authenticator | None,
        subgraph_headers: SubgraphHeaders | None,
        forward_headers: Sequence[str],
        response_headers: Mapping[str, Sequence[str]],
        internal_headers: Sequence[str] = (),
        rules: HeadersConfig | None = None,
    ) -> None:
        """Raises `ValueError` for headers or rules that can't be."""
        self._internal = frozenset(name.lower() for name in internal_headers)
        self._arrived = Notice(logger)
        check_forwarded(forward_headers, self._internal)
        self._authenticator = authenticator
        self._subgraph_headers = subgraph_headers
        self._takes_client = subgraph_headers is not None and _takes_client(subgraph_headers)
        names = tuple(name.lower() for name in forward_headers)
        self._forward = tuple(name for name in names if name not in ADDRESS_HEADERS | PROXY_HEADERS)
        self._reported = tuple(name for name in names if name in ADDRESS_HEADERS)
        self._proxied = tuple(name for name in names if name in PROXY_HEADERS)
        self._significant = tuple(name for name in self._forward if name not in _TRACING)
        self._response = {name: frozenset(h.lower() for h in allowed) for name, allowed in response_headers.items()}
        request_rules = RequestRules(rules or HeadersConfig(), self._internal)
        response_rules = ResponseRules(rules or HeadersConfig())
        self._rules = None if request_rules.is_empty else request_rules
        self._response_rules = None if response_rules.is_empty else response_rules

    @property
    def is_checked(self) -> bool:
        """Whether an authenticator is plugged in."""
        return self._authenticator is not None

    @property
    def depends_on_client(self) -> bool:
        """Whether an answer may depend on where a request comes from."""
        return self.is_checked or self._subgraph_headers is not None or bool(self._reported or self._proxied)

    def credentials(
        self, headers: Mapping[str, str], client: Client, params: Mapping[str, Any] | None = None
    ) -> Credentials:
        """The credentials of a request or a socket.

        Of a socket, the payload of `connection_init` counts more than the headers of the upgrade.
        """
        if self._internal:
            headers = self._without_internal(headers, client, params)
        if not self.is_checked and not params:
            return Credentials(headers, {}, client=client)  # no authenticator looks at them
        merged = dict(headers)
        for name, value in (params or {}).items():
            lowered = name.lower()
            if (
                isinstance(value, str)
                and is_header_value(value)
                and (
                    lowered in self._forward
                    or lowered == "authorization"
                    or (self._rules is not None and self._rules.reads(lowered))
                )
            ):
                merged[lowered] = value
        token = (params or {}).get("token")
        if isinstance(token, str) and is_header_value(token) and not _given(params, "authorization"):
            merged["authorization"] = token if token.lower().startswith("bearer ") else f"Bearer {token}"
        cookies, ambiguous = parse_cookies(merged.get("cookie", ""))
        return Credentials(merged, cookies, dict(params or {}), client, ambiguous)

    def _without_internal(
        self, headers: Mapping[str, str], client: Client, params: Mapping[str, Any] | None
    ) -> Mapping[str, str]:
        sent = [name for name in self._internal if name in headers or _given(params, name)]
        if not sent:
            return headers
        self._arrived.warn(
            "a client at %s sent %s, by which only the gateway speaks to subgraphs; it was dropped",
            client.address or "an unknown address",
            ", ".join(sorted(sent)),
        )
        return {name: value for name, value in headers.items() if name not in self._internal}

    async def authenticate(self, credentials: Credentials) -> Caller | None:
        """The caller; None where no authenticator is plugged in. Raises `Unauthenticated`."""
        if self._authenticator is None:
            return None
        return await self._authenticator.authenticate(credentials)

    def context(
        self,
        caller: Callable[[], Caller | None],
        headers: Mapping[str, str],
        client: Client = UNKNOWN,
        last_event_id: str | None = None,
    ) -> RequestContext:
        """The engine's context for this caller, who is asked for again with every request to a subgraph."""
        now = caller()
        subject = now.subject if now is not None else None
        return RequestContext(
            self._subgraph_headers_of(caller, headers, client),
            subject,
            wants_response_headers=bool(self._response) or self._response_rules is not None,
            last_event_id=last_event_id,
        )

    def share(self, context: RequestContext, caller: Callable[[], Caller | None], headers: Mapping[str, str]) -> None:
        """Let the events of a subscription be resolved once for all callers that would get the same answer.

        Fills `context.share` and `context.shared_headers`. Such callers are callers that are equal (by their own `==`)
        and whose headers reach subgraphs alike, but for those that only trace. They call from many addresses, so
        subgraphs get none with the requests that are made for all of them.
        """
        reported = tuple([(name, headers[name]) for name in self._significant if name in headers])
        rules = self._rules
        if rules is not None:
            reported += tuple([pair for pair in headers.items() if pair[0] not in _TRACING and rules.reads(pair[0])])
        present = caller()
        try:
            hash(present)
        except TypeError:
            return
        context.share = "identity", present, reported
        if self.depends_on_client:
            context.shared_headers = self._subgraph_headers_of(caller, headers, UNKNOWN)

    def _subgraph_headers_of(
        self, caller: Callable[[], Caller | None], headers: Mapping[str, str], client: Client
    ) -> Callable[[str], Mapping[str, str]]:
        forwarded = {name: headers[name] for name in self._forward if name in headers}
        if self._reported or self._proxied:
            self._add_reported(forwarded, headers, client)
        if self._rules is None and self._subgraph_headers is None:
            return partial(_same_headers, forwarded)
        client_argument = (client,) if self._takes_client else ()
        return _HeadersOf(forwarded, headers, self._rules, self._subgraph_headers, caller, client_argument)

    def _add_reported(self, forwarded: dict[str, str], headers: Mapping[str, str], client: Client) -> None:
        """What proxies report: the address as the gateway found it, the rest only where a trusted proxy sent it."""
        address = client.address
        if address is not None:
            node = f'"[{address}]"' if ":" in address else address
            forwarded.update({name: f"for={node}" if name == "forwarded" else address for name in self._reported})
        if client.proxied:
            forwarded.update({name: headers[name] for name in self._proxied if name in headers})

    def client_headers(
        self, answered: Sequence[tuple[str, str, str]], *, has_errors: bool
    ) -> list[tuple[bytes, bytes]]:
        """Of the headers of subgraphs' answers (subgraph, name, value) those that the rules let through."""
        sent = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for subgraph, name, value in answered
            if name.lower() in self._response.get(subgraph, ())
        ]
        if self._response_rules is not None:
            lowered = [(subgraph, name.lower(), value) for subgraph, name, value in answered]
            sent += [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in self._response_rules.headers(lowered, has_errors=has_errors)
            ]
        return sent


def _same_headers(headers: Mapping[str, str], _: str) -> Mapping[str, str]:
    """The same for every subgraph."""
    return headers


class _HeadersOf:
    """A subgraph's name -> the headers of a request to it.

    Smaller than a closure; each subscription holds one or two.
    """

    __slots__ = ("_caller", "_client_argument", "_forwarded", "_headers", "_port", "_rules")

    def __init__(
        self,
        forwarded: Mapping[str, str],
        headers: Mapping[str, str],
        rules: RequestRules | None,
        port: SubgraphHeaders | None,
        caller: Callable[[], Caller | None],
        client_argument: tuple[Client, ...],
    ) -> None:
        self._forwarded, self._headers, self._rules = forwarded, headers, rules
        self._port, self._caller, self._client_argument = port, caller, client_argument

    def __call__(self, subgraph: str) -> Mapping[str, str]:
        sent = self._forwarded
        if self._rules is not None:
            sent = dict(sent)
            self._rules.apply(subgraph, sent, self._headers)
        if self._port is None:
            return sent
        reported = self._port.headers_for(self._caller(), subgraph, *self._client_argument)
        return {**sent, **{name.lower(): value for name, value in reported.items()}}


def _takes_client(port: SubgraphHeaders) -> bool:
    kinds = [parameter.kind for parameter in signature(port.headers_for).parameters.values()]
    return len(kinds) > 2 or Parameter.VAR_POSITIONAL in kinds


def _given(params: Mapping[str, Any] | None, name: str) -> bool:
    return any(key.lower() == name for key in params or {})
