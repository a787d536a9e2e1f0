"""`GatewayConfig`: every limit and setting of the gateway, a tree of frozen values. A room takes its own branch."""

from botberi_gateway.config.tree import GatewayConfig
from botberi_gateway.config.plugins import PluginConfig
from botberi_gateway.config.server import LogConfig, ServerConfig
from botberi_gateway.config.transport import (
    BatchingConfig,
    CompressionConfig,
    TransportConfig,
    UploadsConfig,
    WebSocketConfig,
)
from botberi_gateway.config.headers import (
    HeaderAction,
    HeaderMerge,
    HeadersConfig,
    RequestHeaderRule,
    ResponseHeaderRule,
    SubgraphHeaderRules,
)
from botberi_gateway.config.graph import (
    ContractConfig,
    GraphConfig,
    NamedGraphConfig,
    SchemaConfig,
    SubgraphSourceConfig,
)
from botberi_gateway.config.engine import EngineConfig, EventSourceConfig
from botberi_gateway.config.operation import ExecutionBudget, OperationLimits
from botberi_gateway.config.traffic import Balancing, BalancingConfig, BreakerConfig, RetryConfig, TlsConfig
from botberi_gateway.config.subgraph import (
    HeadersIn,
    InProcessConfig,
    SubgraphConfig,
    SubgraphSocketConfig,
    SubgraphSubscriptionsConfig,
    SubscriptionProtocol,
)

__all__ = [
    "GatewayConfig",
    "ServerConfig",
    "PluginConfig",
    "LogConfig",
    "GraphConfig",
    "NamedGraphConfig",
    "SchemaConfig",
    "SubgraphSourceConfig",
    "ContractConfig",
    "TransportConfig",
    "WebSocketConfig",
    "BatchingConfig",
    "CompressionConfig",
    "UploadsConfig",
    "HeadersConfig",
    "SubgraphHeaderRules",
    "RequestHeaderRule",
    "ResponseHeaderRule",
    "HeaderAction",
    "HeaderMerge",
    "EngineConfig",
    "EventSourceConfig",
    "OperationLimits",
    "ExecutionBudget",
    "SubgraphConfig",
    "SubgraphSocketConfig",
    "SubgraphSubscriptionsConfig",
    "SubscriptionProtocol",
    "HeadersIn",
    "RetryConfig",
    "BreakerConfig",
    "Balancing",
    "BalancingConfig",
    "TlsConfig",
    "InProcessConfig",
]
