"""`GatewayConfig`, the root of the configuration."""

from dataclasses import dataclass

from botberi_gateway.config.engine import EngineConfig
from botberi_gateway.config.server import ServerConfig
from botberi_gateway.config.setting import branch
from botberi_gateway.config.transport import TransportConfig


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """All limits and settings. A server takes the whole, `GraphQLApp` its `transport`, `Gateway` its `engine`."""

    server: ServerConfig = branch(ServerConfig, "Connections, pages beside GraphQL, stopping.")
    transport: TransportConfig = branch(TransportConfig, "The GraphQL endpoint.")
    engine: EngineConfig = branch(EngineConfig, "Preparing and running operations.")
