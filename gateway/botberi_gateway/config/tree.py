"""`GatewayConfig`, the root of the configuration."""

from dataclasses import dataclass

from botberi_gateway.config.engine import EngineConfig
from botberi_gateway.config.graph import GraphConfig
from botberi_gateway.config.server import LogConfig, ServerConfig
from botberi_gateway.config.setting import branch, setting
from botberi_gateway.config.transport import TransportConfig


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """All limits and settings. A server takes the whole, `GraphQLApp` its `transport`, `Gateway` its `engine`."""

    watch: bool = setting(
        False,
        "Whether the configuration's file is read again when it changes. SIGHUP has it read in any case.",
        option="--watch/--no-watch",
        restart=True,
    )
    server: ServerConfig = branch(ServerConfig, "Connections, pages beside GraphQL, stopping.")
    transport: TransportConfig = branch(TransportConfig, "The GraphQL endpoint.")
    engine: EngineConfig = branch(EngineConfig, "Preparing and running operations.")
    graph: GraphConfig = branch(GraphConfig, "Where the graph comes from.")
    log: LogConfig = branch(LogConfig, "Log lines.")
