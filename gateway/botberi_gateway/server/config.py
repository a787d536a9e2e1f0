"""The server's configuration, as one frozen value."""

from dataclasses import dataclass, field

from botberi_gateway.transport.settings import TransportSettings


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Times are in seconds."""

    #: Where GraphQL and GraphiQL are.
    path: str = "/graphql"
    transport: TransportSettings = field(default_factory=TransportSettings)
    #: A request's line and headers: so large, so long on their way.
    max_header_bytes: int = 65_536
    header_timeout: float = 10.0
    #: A request that is answered before its end: so much is still read, for so long, before its connection is cut.
    linger_bytes: int = 1_000_000
    linger_timeout: float = 5.0
    #: A client that takes nothing of an answer for so long is cut off.
    write_timeout: float = 30.0
    #: Connections of one process that one address (of IPv6: one /64) may have open; those of trusted proxies don't count.
    max_connections_per_address: int = 1_000
    #: `/metrics` in Prometheus' format. Keep it from the public at the proxy.
    metrics: bool = True
    #: One log line for each request (logger `botberi_gateway.access`).
    access_log: bool = True
    #: Queries to a subgraph that are equal in body and all headers but those of tracing, at the same time, are sent once.
    share_subgraph_requests: bool = False
    #: Between `/ready` saying no and the port being closed, so that load balancers notice.
    drain_delay: float = 0.0
    #: For requests and mutations that are running when the server stops.
    drain_timeout: float = 30.0
