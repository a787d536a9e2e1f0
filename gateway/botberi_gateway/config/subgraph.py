"""How the gateway calls subgraphs: over HTTP, over WebSocket for subscriptions, or in this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from botberi_gateway.config.setting import BYTES, SECONDS, branch, setting
from botberi_gateway.config.traffic import BalancingConfig, BreakerConfig, RetryConfig, TlsConfig


class HeadersIn(StrEnum):
    """Where a subgraph gets the headers for a subscription over WebSocket."""

    HANDSHAKE = "handshake"
    INIT = "init"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class SubgraphSocketConfig:
    """Subscriptions to one subgraph over WebSocket (`graphql-transport-ws`)."""

    url: str | None = setting(None, "Where subscriptions connect. Unset: the HTTP URL with `ws` or `wss`.")
    open_timeout_seconds: float = setting(5.0, "Time to open a connection.", unit=SECONDS)
    ack_timeout_seconds: float = setting(
        5.0, "Time that the subgraph may take to answer `connection_init`.", unit=SECONDS
    )
    ping_interval_seconds: float = setting(
        20.0, "Time between pings, by which a dead subgraph is noticed.", unit=SECONDS
    )
    ping_timeout_seconds: float = setting(20.0, "Time that the subgraph may take to answer a ping.", unit=SECONDS)
    max_message_bytes: int = setting(10 * 1024 * 1024, "One message of the subgraph.", unit=BYTES)
    max_queued_messages: int = setting(
        16, "Messages that wait to be read; then the connection isn't read until the consumer goes on.", unit="messages"
    )
    max_subscriptions: int = setting(10_000, "Subscriptions to this subgraph at the same time.", unit="subscriptions")
    max_subscriptions_per_socket: int = setting(
        1,
        "Subscriptions with equal headers that share a socket. On a shared one, a subscriber that is slower than "
        "`max_queued_messages` is ended, as the others can't wait for it.",
        unit="subscriptions",
    )
    headers_in: HeadersIn = setting(
        HeadersIn.HANDSHAKE,
        "Where the subgraph gets the headers of a request: in the `handshake`, as payload of `connection_init` "
        "(`init`), or in `both`.",
    )


class SubscriptionProtocol(StrEnum):
    """How the gateway subscribes at a subgraph."""

    WEBSOCKET = "websocket"
    SSE = "sse"
    MULTIPART = "multipart"
    CALLBACK = "callback"


@dataclass(frozen=True, slots=True)
class SubgraphSubscriptionsConfig:
    """Subscriptions at one subgraph, whatever their protocol."""

    protocol: SubscriptionProtocol = setting(
        SubscriptionProtocol.WEBSOCKET,
        "`websocket` (graphql-transport-ws), `sse` (server-sent events, graphql-sse), `multipart` "
        "(`subscriptionSpec=1.0`), or `callback` (the subgraph sends results to `callback_url`).",
    )
    share_equal: bool = setting(
        False,
        "Whether subscriptions that are equal in operation, variables and all headers but those of tracing are made "
        "once. Who joins gets the results from then on.",
    )
    max_queued_results: int = setting(
        64, "Results that wait for one of those that share a subscription; a slower one is ended.", unit="results"
    )
    max_reconnects: int = setting(
        0,
        "How often in a row a lost subscription is begun again. An error (`SUBSCRIPTION_INTERRUPTED`) "
        "says to the client that results may be missing.",
        unit="attempts",
    )
    first_backoff_seconds: float = setting(0.5, "Pause before the first of them.", unit=SECONDS)
    max_backoff_seconds: float = setting(30.0, "The pause doubles with each, up to this one.", unit=SECONDS)
    silence_timeout_seconds: float = setting(
        0.0,
        "A stream (`sse`, `multipart`) that brings nothing for so long, not even a sign of life, is lost; 0: none is.",
        unit=SECONDS,
    )
    callback_url: str | None = setting(
        None,
        "For `callback`: the address by which the subgraph reaches this process; the server serves its path.",
    )
    heartbeat_interval_seconds: float = setting(
        5.0,
        "For `callback`: how often the subgraph has to say that it is there; after three times that it is lost.",
        unit=SECONDS,
    )


@dataclass(frozen=True, slots=True)
class SubgraphConfig:
    """Calls to one subgraph over HTTP."""

    timeout_seconds: float = setting(
        30.0,
        "A whole request: waiting for a connection and all attempts included. A request may ask for less.",
        unit=SECONDS,
    )
    response_timeout_seconds: float = setting(
        30.0, "One attempt at a request, waiting for a connection included.", unit=SECONDS
    )
    connect_timeout_seconds: float = setting(2.0, "Time to open a connection.", unit=SECONDS)
    keep_alive_seconds: float = setting(
        4.0,
        "How long an unused connection is kept. Common servers (uvicorn, Node.js) close theirs after 5 s: a request "
        "that is sent into a connection while it closes is lost, and a mutation may not be sent again.",
        unit=SECONDS,
    )
    max_connections: int = setting(100, "Connections at the same time.", unit="connections")
    max_waiting: int = setting(
        1_000, "Requests that wait for a connection; the next ones are refused.", unit="requests", minimum=0
    )
    max_response_bytes: int = setting(10 * 1024 * 1024, "The body of an answer, unpacked.", unit=BYTES)
    max_header_bytes: int = setting(
        65_536, "Status line and headers of an answer, interim answers (1xx) included.", unit=BYTES
    )
    headers: Mapping[str, str] = setting(
        {}, "Sent with each request that doesn't have headers of these names.", secret=True
    )
    timeout_header: str | None = setting(
        None, "A header that says the subgraph how many milliseconds are left for its answer, such as `x-timeout-ms`."
    )
    compress_requests: bool = setting(
        False, "Whether large request bodies are sent with gzip. The subgraph's server has to understand that."
    )
    compress_from_bytes: int = setting(1024, "Shorter bodies are sent as they are.", unit=BYTES)
    socket_path: Path | None = setting(
        None, "A Unix socket by which the subgraph is reached, with the URL's path (`http` alone)."
    )
    retry: RetryConfig = branch(RetryConfig, "Requests that are sent again.")
    breaker: BreakerConfig = branch(BreakerConfig, "A circuit breaker for a failing subgraph.")
    balancing: BalancingConfig = branch(BalancingConfig, "Several addresses.")
    tls: TlsConfig = branch(TlsConfig, "Certificates for `https`.")
    subscriptions: SubgraphSubscriptionsConfig = branch(
        SubgraphSubscriptionsConfig, "Subscriptions, whatever their protocol."
    )
    websocket: SubgraphSocketConfig = branch(SubgraphSocketConfig, "Subscriptions over WebSocket.")


@dataclass(frozen=True, slots=True)
class InProcessConfig:
    """Calls to a subgraph that is an ASGI app in this process."""

    timeout_seconds: float = setting(30.0, "A whole request. A request may ask for less.", unit=SECONDS)
    max_concurrent: int = setting(1_000, "Requests that run at the same time.", unit="requests")
    max_waiting: int = setting(
        1_000, "Requests that wait for their turn; the next ones are refused.", unit="requests", minimum=0
    )
    max_response_bytes: int = setting(10 * 1024 * 1024, "The body of an answer.", unit=BYTES)
    ack_timeout_seconds: float = setting(5.0, "Time that the app may take to answer `connection_init`.", unit=SECONDS)
    max_queued_messages: int = setting(
        16, "Messages of a subscription that wait for their reader; then the app waits.", unit="messages"
    )
    headers: Mapping[str, str] = setting(
        {}, "Sent with each request that doesn't have headers of these names.", secret=True
    )
