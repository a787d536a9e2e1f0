"""Plug-ins: typed hooks around requests, operations and subgraph requests, loaded by name."""

from botberi_gateway.plugins.plugin import (
    IncomingRequest,
    OperationInfo,
    OutgoingResponse,
    Plugin,
    SubgraphCall,
)
from botberi_gateway.plugins.loading import PluginError, check_plugins, load_plugins

__all__ = [
    "IncomingRequest",
    "OperationInfo",
    "OutgoingResponse",
    "Plugin",
    "PluginError",
    "SubgraphCall",
    "check_plugins",
    "load_plugins",
]
