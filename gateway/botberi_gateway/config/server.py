"""The ready-made server: its connections, its pages beside GraphQL, and how it stops."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from botberi_gateway.config.setting import BYTES, SECONDS, setting


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Log lines on standard error."""

    format: Literal["text", "json"] = setting("text", "How log lines look.", option="--log-format")
    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "The least important lines that are written.", option="--log-level"
    )


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server, in each of its processes."""

    host: str = setting("127.0.0.1", "Address to listen on.", option="--host", restart=True)
    port: int = setting(8080, "Port; 0 takes any free one.", option="--port", minimum=0, maximum=65535, restart=True)
    workers: int = setting(
        1,
        "Processes that serve, each with caches of its own: one for each core.",
        option="--workers",
        maximum=256,
        restart=True,
    )
    path: str = setting("/graphql", "Where GraphQL and GraphiQL are.", option="--path", restart=True)
    graph_header: str = setting(
        "x-graph", "The header by which clients choose one of several graphs (`graphs`).", restart=True
    )
    max_header_bytes: int = setting(65_536, "A request's line and headers.", unit=BYTES)
    header_timeout_seconds: float = setting(
        10.0, "Time that a client may take to send a request's line and headers.", unit=SECONDS
    )
    max_linger_bytes: int = setting(
        1_000_000,
        "What is still read of a request that is answered before it has arrived as a whole; then the connection is "
        "cut.",
        unit=BYTES,
    )
    linger_timeout_seconds: float = setting(
        5.0, "How long such a request is still read before its connection is cut.", unit=SECONDS
    )
    write_timeout_seconds: float = setting(
        30.0,
        "A client that for so long does not empty the write buffer below its low-water mark is cut off.",
        unit=SECONDS,
    )
    max_connections_per_address: int = setting(
        1_000,
        "Connections of one process that one address (of IPv6: one /64) may have open; those of trusted proxies don't "
        "count.",
        unit="connections",
        restart=True,
    )
    metrics: bool = setting(
        True,
        "Whether `/metrics` is served, in Prometheus' format. Keep it from the public at the proxy.",
        option="--metrics/--no-metrics",
        restart=True,
    )
    access_log: bool = setting(
        True,
        "Whether each request is logged in a line (logger `botberi_gateway.access`).",
        option="--access-log/--no-access-log",
        restart=True,
    )
    share_subgraph_requests: bool = setting(
        False,
        "Whether queries to a subgraph that run at the same time, equal in body and all headers but those of tracing, "
        "are sent once.",
        option="--share-subgraph-requests",
        restart=True,
    )
    drain_delay_seconds: float = setting(
        0.0, "Time between `/ready` saying no and the port being closed, so that load balancers notice.", unit=SECONDS
    )
    drain_timeout_seconds: float = setting(30.0, "Time that requests have to end when the server stops.", unit=SECONDS)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it."""
        if not self.path.startswith("/"):
            yield "path", f"{self.path!r} does not begin with a slash"
