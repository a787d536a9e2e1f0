"""The subgraphs' side: requests to subgraphs behind a common protocol."""

from botberi_gateway.upstream.port import EncodedClient, SubgraphClient, SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.http import HttpClient
from botberi_gateway.upstream.local import AsgiClient
from botberi_gateway.upstream.schema import SchemaClient

__all__ = [
    "EncodedClient",
    "SubgraphClient",
    "SubgraphRequest",
    "SubgraphResponse",
    "HttpClient",
    "AsgiClient",
    "SchemaClient",
]
