"""The catalog's types -> its federated schema and SDL."""

from __future__ import annotations

from subgraphs.catalog.mutations import Mutation
from subgraphs.catalog.queries import Query
from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common.schema import SubgraphSchema


def build_schema(settings: CatalogSettings | None = None) -> SubgraphSchema:
    """The schema with the limits that the settings give."""
    limits = settings or CatalogSettings.model_construct()
    return SubgraphSchema(
        query=Query,
        mutation=Mutation,
        maximum_depth=limits.subgraph_max_depth,
        maximum_tokens=limits.subgraph_max_tokens,
    )


def sdl() -> str:
    """The subgraph's SDL, as `schema.graphql` holds it."""
    return build_schema().sdl
