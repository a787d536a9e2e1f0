"""How the transport behaves: limits, origins, headers, as one frozen value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """`graphql-transport-ws`. Times are in seconds."""

    enabled: bool = True
    init_timeout: float = 3.0
    #: Operations that may run on one socket at the same time.
    max_operations: int = 100
    #: Sockets of one process; the next ones are refused with 503.
    max_sockets: int = 20_000
    #: Sockets of one process that one address (of IPv6: one /64) may have open; the next ones are refused with 429. Trusted proxies are exempt.
    max_sockets_per_address: int = 1_000
    max_message_bytes: int = 100_000
    #: Messages that a client may send on one socket: so many a second, and so many at once. More close it (4429).
    max_messages_per_second: float = 100.0
    max_message_burst: int = 1_000
    #: Messages that wait for a slow client before its subscriptions pause.
    send_queue: int = 128


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """The defaults are safe for a gateway that faces the internet."""

    max_body_bytes: int = 1_500_000
    #: Seconds that a client may take to send its body.
    body_timeout: float = 10.0
    #: Origins (`https://app.example`) beside the gateway's own that browsers may call from, with their cookies; `*`: every origin, without
    #: cookies. They are answered with CORS headers.
    allowed_origins: Sequence[str] = ()
    #: The address by which clients reach the gateway, such as `https://graph.example`; `https` adds `Strict-Transport-Security` to every answer.
    public_url: str | None = None
    #: Hosts (`graph.example`, `graph.example:8443`) that are the gateway's own: an `Origin` of one of them is no other site's. Empty: that of
    #: `public_url`, and without one whatever `Host` says, which a name that an attacker points at the gateway says as well (DNS rebinding).
    own_hosts: Sequence[str] = ()
    #: A request with one of these headers can't come from another site's page without a CORS preflight.
    csrf_headers: Sequence[str] = ("graphql-require-preflight", "apollo-require-preflight", "x-apollo-operation-name")
    #: Request headers of the client that subgraphs get. Never add `cookie` or `authorization` for subgraphs that aren't yours.
    forward_headers: Sequence[str] = ("accept-language", "traceparent", "tracestate", "x-request-id")
    #: Proxies in front of the gateway (IP addresses, networks such as `10.0.0.0/8`, `unix` for a Unix socket): what they say about the
    #: client in `X-Forwarded-For` and `Forwarded` counts, what anybody else says doesn't.
    trusted_proxies: Sequence[str] = ()
    #: Headers by which the gateway speaks to subgraphs: a client's own are never forwarded, and their arrival is logged.
    internal_headers: Sequence[str] = ()
    #: Subgraph -> response headers that reach the client, such as `{"identity": ["set-cookie"]}`.
    response_headers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Queries that are equal in document, operation, variables and all headers but those of tracing, at the same time, are executed once.
    share_queries: bool = False
    #: How often the credentials of an open socket or stream are checked again, and how old a check may be when an event is delivered.
    recheck_interval: float = 5.0
    event_recheck_age: float = 1.0
    #: A client of a socket or stream that takes nothing for so long is cut off.
    send_timeout: float = 10.0
    #: Subscriptions of one process, and of one caller who is known, over all ways together.
    max_subscriptions: int = 20_000
    max_subscriptions_per_caller: int = 5_000
    #: And of one address (of IPv6: one /64), whoever calls from it; trusted proxies are exempt.
    max_subscriptions_per_address: int = 5_000
    sse: bool = True
    #: A comment (an empty part in multipart) keeps proxies from closing a silent stream.
    sse_keep_alive: float = 12.0
    graphiql: bool = True
    graphiql_query: str | None = None
    websocket: WebSocketSettings = field(default_factory=WebSocketSettings)
