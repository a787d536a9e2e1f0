"""The server's configuration, as one frozen value."""

from dataclasses import dataclass, field

from gateway.transport.settings import TransportSettings


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Times are in seconds."""

    #: Where GraphQL and GraphiQL are.
    path: str = "/graphql"
    transport: TransportSettings = field(default_factory=TransportSettings)
    #: A request's line and headers: so large, so long on their way.
    max_header_bytes: int = 65_536
    header_timeout: float = 10.0
    #: `/metrics` in Prometheus' format. Keep it from the public at the proxy.
    metrics: bool = True
    #: One log line for each request (logger `gateway.access`).
    access_log: bool = True
    #: Queries to a subgraph that are equal in body and all headers but those of tracing, at the same time, are sent once.
    share_subgraph_requests: bool = False
    #: Between `/ready` saying no and the port being closed, so that load balancers notice.
    drain_delay: float = 0.0
    #: For requests and mutations that are running when the server stops.
    drain_timeout: float = 30.0
