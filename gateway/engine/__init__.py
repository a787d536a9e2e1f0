"""`Gateway`: one supergraph and its caches; `execute()`, `subscribe()`, `replace()`."""

from gateway.engine.request import EngineLimits, GraphQLRequest, RequestContext
from gateway.engine.labels import LabelResolver
from gateway.engine.sources import CompositionError, SubgraphSource, compose_sources, fetch_sdl
from gateway.engine.planning import OVERLOADED, CacheStatistics, Prepared
from gateway.engine.gateway import Gateway

__all__ = [
    "EngineLimits",
    "GraphQLRequest",
    "RequestContext",
    "LabelResolver",
    "CompositionError",
    "SubgraphSource",
    "compose_sources",
    "fetch_sdl",
    "OVERLOADED",
    "CacheStatistics",
    "Prepared",
    "Gateway",
]
