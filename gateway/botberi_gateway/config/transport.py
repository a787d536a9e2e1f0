"""What clients may send over HTTP, server-sent events and WebSockets, and what they get back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from botberi_gateway.config.headers import HeadersConfig
from botberi_gateway.config.setting import BYTES, SECONDS, branch, setting


@dataclass(frozen=True, slots=True)
class WebSocketConfig:
    """Sockets of clients (`graphql-transport-ws`)."""

    enabled: bool = setting(True, "Whether the endpoint takes WebSockets.")
    legacy_protocol: bool = setting(
        False, "Whether sockets of the older subprotocol `graphql-ws` (subscriptions-transport-ws) are taken too."
    )
    init_timeout_seconds: float = setting(3.0, "Time that a client may take to send `connection_init`.", unit=SECONDS)
    max_operations: int = setting(100, "Operations that may run on one socket at the same time.", unit="operations")
    max_sockets: int = setting(20_000, "Sockets of one process; the next ones are refused with 503.", unit="sockets")
    max_sockets_per_address: int = setting(
        1_000,
        "Sockets of one process that one address (of IPv6: one /64) may have open; the next ones are refused with 429. "
        "Trusted proxies are exempt.",
        unit="sockets",
    )
    max_message_bytes: int = setting(100_000, "One message of a client.", unit=BYTES, restart=True)
    max_messages_per_second: float = setting(
        100.0,
        "Messages that a client may send on one socket, in the long run. More close it (4429).",
        unit="messages/s",
    )
    max_message_burst: int = setting(1_000, "Messages that a client may send on one socket at once.", unit="messages")
    max_queued_messages: int = setting(
        128, "Messages that wait for a slow client before its subscriptions pause.", unit="messages"
    )


@dataclass(frozen=True, slots=True)
class BatchingConfig:
    """Several operations in one request, as an array."""

    enabled: bool = setting(False, "Whether batches are taken.")
    max_operations: int = setting(10, "Operations of one batch; each counts as a request under way.", unit="operations")


@dataclass(frozen=True, slots=True)
class UploadsConfig:
    """Files in requests (`multipart/form-data`, GraphQL multipart request specification)."""

    enabled: bool = setting(
        False, "Whether files are taken. They go to subgraphs that are reached over HTTP.", restart=True
    )
    max_files: int = setting(10, "Files of one request.", unit="files")
    max_file_bytes: int = setting(10 * 1024 * 1024, "One file.", unit=BYTES)
    max_request_bytes: int = setting(50 * 1024 * 1024, "The whole body.", unit=BYTES)
    timeout_seconds: float = setting(60.0, "Time that a client may take to send the body.", unit=SECONDS)


@dataclass(frozen=True, slots=True)
class CompressionConfig:
    """Compression between clients and the gateway; a proxy in front often does it better."""

    encodings: Sequence[str] = setting(
        (),
        "How answers in one piece are packed for clients that take that, the preferred one first: `zstd`, `br` (both "
        "need `botberi-gateway[compression]`), `gzip`. Empty: they aren't.",
    )
    compress_from_bytes: int = setting(1024, "Shorter answers are sent as they are.", unit=BYTES)
    requests: bool = setting(
        False, "Whether bodies of requests may be packed (gzip, deflate); `max_body_bytes` holds packed and unpacked."
    )


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """The GraphQL endpoint. The defaults are safe for a gateway that faces the internet."""

    max_body_bytes: int = setting(1_500_000, "The body of a request.", unit=BYTES)
    body_timeout_seconds: float = setting(10.0, "Time that a client may take to send its body.", unit=SECONDS)
    max_requests: int = setting(
        1_000,
        "Queries and mutations of one process that are under way at the same time; the next ones are refused at once "
        "with 503 and `Retry-After`. Where the processor is what runs short, about 100 keeps answers quick.",
        unit="requests",
    )
    allowed_origins: Sequence[str] = setting(
        (),
        "Origins (`https://app.example`) beside the gateway's own that browsers may call from, with their cookies; "
        "`*`: every origin, without cookies. They are answered with CORS headers.",
        option="--allow-origin",
    )
    public_url: str | None = setting(
        None,
        "The address by which clients reach the gateway, such as `https://graph.example`; `https` adds "
        "`Strict-Transport-Security` to every answer.",
        option="--public-url",
        restart=True,
    )
    own_hosts: Sequence[str] = setting(
        (),
        "Hosts (`graph.example`, `graph.example:8443`) that are the gateway's own: pages on them are not another site. "
        "Empty: that of `public_url`; without one, what `Host` says, which is also what a name says that an attacker "
        "points at the gateway (DNS rebinding).",
    )
    csrf_headers: Sequence[str] = setting(
        ("graphql-require-preflight", "apollo-require-preflight", "x-apollo-operation-name"),
        "A request with one of these headers can't come from another site's page without a CORS preflight.",
    )
    forward_headers: Sequence[str] = setting(
        ("accept-language", "traceparent", "tracestate", "x-request-id"),
        "Request headers of the client that subgraphs get. Never add `cookie` or `authorization` for subgraphs that "
        "aren't yours.",
        option="--forward-header",
        extends=True,
    )
    trusted_proxies: Sequence[str] = setting(
        (),
        "Proxies in front of the gateway (IP addresses, networks such as `10.0.0.0/8`, `unix` for a Unix socket): only "
        "their `X-Forwarded-For` and `Forwarded` say who the client is.",
        option="--trusted-proxy",
        restart=True,
    )
    internal_headers: Sequence[str] = setting(
        (),
        "Headers by which the gateway speaks to subgraphs: a client's own are never forwarded, and their arrival is "
        "logged.",
    )
    response_headers: Mapping[str, Sequence[str]] = setting(
        {}, 'Response headers of a subgraph that reach the client, such as `{"identity": ["set-cookie"]}`.'
    )
    share_queries: bool = setting(
        False,
        "Whether queries that run at the same time, equal in document, operation, variables and all headers but those "
        "of tracing, are executed once.",
        option="--share-queries",
    )
    recheck_interval_seconds: float = setting(
        5.0, "How often the credentials of an open socket or stream are checked again.", unit=SECONDS, restart=True
    )
    max_check_age_seconds: float = setting(
        1.0, "How old such a check may be when an event is delivered; an older one is repeated first.", unit=SECONDS
    )
    send_timeout_seconds: float = setting(
        10.0, "A client of a socket or stream that reads nothing for so long is cut off.", unit=SECONDS
    )
    max_subscriptions: int = setting(
        20_000, "Subscriptions of one process, over all transports together.", unit="subscriptions"
    )
    max_subscriptions_per_caller: int = setting(
        5_000, "Subscriptions of one caller who is known, in one process.", unit="subscriptions"
    )
    max_subscriptions_per_address: int = setting(
        5_000,
        "Subscriptions from one address (of IPv6: one /64), in one process. Trusted proxies are exempt.",
        unit="subscriptions",
    )
    sse: bool = setting(True, "Whether subscriptions over server-sent events are served.")
    sse_single_connection: bool = setting(
        False,
        "Whether clients may share one stream of events for many operations (graphql-sse, single connection mode). All "
        "requests of a client then have to reach the same process.",
        restart=True,
    )
    sse_keep_alive_seconds: float = setting(
        12.0,
        "After so long without a result a stream gets a comment (in multipart an empty part), so that proxies don't "
        "close it.",
        unit=SECONDS,
    )
    graphiql: bool = setting(True, "Whether browsers get GraphiQL at the endpoint.", option="--graphiql/--no-graphiql")
    graphiql_query: str | None = setting(None, "The text with which GraphiQL's editor begins.")
    batching: BatchingConfig = branch(BatchingConfig, "Several operations in one request.")
    uploads: UploadsConfig = branch(UploadsConfig, "Files in requests.")
    compression: CompressionConfig = branch(CompressionConfig, "Compression between clients and the gateway.")
    headers: HeadersConfig = branch(HeadersConfig, "Rules for headers between clients and subgraphs.")
    websocket: WebSocketConfig = branch(WebSocketConfig, "Sockets of clients.")
