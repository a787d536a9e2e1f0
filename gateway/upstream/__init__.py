"""The subgraph's side: requests to subgraphs behind one protocol, and event sources."""

from gateway.upstream.port import EncodedClient, SubgraphClient, SubgraphRequest, SubgraphResponse
from gateway.upstream.http_options import HttpOptions, WebSocketOptions
from gateway.upstream.http import HttpClient
from gateway.upstream.local import AsgiClient, AsgiOptions
from gateway.upstream.schema import SchemaClient
from gateway.upstream.events import EventSource, SourceEvent

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
