"""The instance types -> their federated schema and SDL."""

from __future__ import annotations

from subgraphs.common.schema import SubgraphSchema
from subgraphs.instance.mutations import Mutation
from subgraphs.instance.queries import Query
from subgraphs.instance.settings import InstanceSettings
from subgraphs.instance.subscriptions import Subscription


def build_schema(settings: InstanceSettings | None = None) -> SubgraphSchema:
    """The schema with the limits that the settings give."""
    limits = settings or InstanceSettings.model_construct()
    return SubgraphSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        maximum_depth=limits.subgraph_max_depth,
        maximum_tokens=limits.subgraph_max_tokens,
    )


def sdl() -> str:
    """The subgraph's SDL, as `schema.graphql` holds it."""
    return build_schema().sdl
