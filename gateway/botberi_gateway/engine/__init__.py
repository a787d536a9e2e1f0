"""`Gateway`: one supergraph and its caches; `execute()`, `subscribe()`, `replace()`."""

from botberi_gateway.engine.request import GraphQLRequest, RequestContext
from botberi_gateway.engine.labels import LabelResolver
from botberi_gateway.engine.sources import CompositionError, SubgraphSource, check_sources, compose_sources, fetch_sdl
from botberi_gateway.engine.planning import OVERLOADED, CacheStatistics, Prepared
from botberi_gateway.engine.gateway import Gateway

__all__ = [
    "GraphQLRequest",
    "RequestContext",
    "LabelResolver",
    "CompositionError",
    "SubgraphSource",
    "check_sources",
    "compose_sources",
    "fetch_sdl",
    "OVERLOADED",
    "CacheStatistics",
    "Prepared",
    "Gateway",
]
