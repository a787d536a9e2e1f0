"""The subgraph's side: requests to subgraphs behind one protocol, and event sources."""

from botberi_gateway.upstream.port import EncodedClient, SubgraphClient, SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.http_options import HttpOptions, WebSocketOptions
from botberi_gateway.upstream.http import HttpClient
from botberi_gateway.upstream.local import AsgiClient, AsgiOptions
from botberi_gateway.upstream.schema import SchemaClient
from botberi_gateway.upstream.events import EventSource, SourceEvent

__all__ = [
    "EncodedClient",
    "SubgraphClient",
    "SubgraphRequest",
    "SubgraphResponse",
    "HttpClient",
    "HttpOptions",
    "WebSocketOptions",
    "AsgiClient",
    "AsgiOptions",
    "SchemaClient",
    "EventSource",
    "SourceEvent",
]
