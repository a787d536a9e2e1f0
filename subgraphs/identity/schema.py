"""Identity's types -> its federated schema and SDL."""

from __future__ import annotations

from subgraphs.common.schema import SubgraphSchema
from subgraphs.identity.mutations import Mutation
from subgraphs.identity.queries import Query
from subgraphs.identity.settings import IdentitySettings


def build_schema(settings: IdentitySettings | None = None) -> SubgraphSchema:
    """The schema with the limits that the settings give."""
    limits = settings or IdentitySettings.model_construct()
    return SubgraphSchema(
        query=Query,
        mutation=Mutation,
        maximum_depth=limits.subgraph_max_depth,
        maximum_tokens=limits.subgraph_max_tokens,
    )


def sdl() -> str:
    """The subgraph's SDL, as `schema.graphql` holds it."""
    return build_schema().sdl
