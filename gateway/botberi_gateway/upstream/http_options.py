"""What one subgraph's HTTP client, and its subscriptions over WebSocket, may take, as frozen values."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """Bounds of subscriptions to one subgraph. Times are in seconds."""

    #: None: the HTTP URL with `ws` or `wss`.
    url: str | None = None
    open_timeout: float = 5.0
    ack_timeout: float = 5.0
    #: A dead peer is noticed by a ping that isn't answered.
    ping_interval: float = 20.0
    ping_timeout: float = 20.0
    max_message_bytes: int = 10 * 1024 * 1024
    #: Messages that wait unread; then the connection isn't read from until the consumer goes on.
    max_queue: int = 16
    max_subscriptions: int = 10_000


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Bounds of one subgraph's client. Times are in seconds."""

    #: A whole request, waiting for a connection included. A request may ask for less.
    timeout: float = 30.0
    connect_timeout: float = 2.0
    #: Idle connections are closed before common servers close them (uvicorn and Node after 5 s): a request sent into a closing
    #: connection is lost, and a mutation may not be sent again.
    keep_alive: float = 4.0
    max_connections: int = 100
    max_waiting: int = 1_000
    #: Of the unpacked body.
    max_response_bytes: int = 10 * 1024 * 1024
    #: Of an answer's status line and headers, interim answers (1xx) included.
    max_header_bytes: int = 65_536
    #: Sent with each request, unless the request has them.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: For `https://`: own certificate authorities, a client certificate. None: the system's authorities.
    tls: ssl.SSLContext | None = None
    websocket: WebSocketOptions = field(default_factory=WebSocketOptions)
