"""Supergraph data -> `Supergraph`: reads and prints SDL, and makes the schemas that plans and clients need."""

from functools import cached_property

from graphql import GraphQLSchema

from gateway.federation import Version
from gateway.supergraph.api import api_schema, full_schema
from gateway.supergraph.machinery import LATEST_JOIN
from gateway.supergraph.model import SupergraphData
from gateway.supergraph.print import print_supergraph
from gateway.supergraph.read import read_into


class Supergraph(SupergraphData):
    """The data, and what is made of it once."""

    @classmethod
    def from_sdl(cls, sdl: str) -> "Supergraph":
        """Read supergraph SDL (join v0.1 to v0.5). Raises `gateway.errors.SupergraphError`."""
        return read_into(cls, sdl)

    def to_sdl(self, join: Version = LATEST_JOIN) -> str:
        """Standard supergraph SDL. Raises `ValueError` for a join version that isn't written."""
        return print_supergraph(self, join)

    @cached_property
    def schema(self) -> GraphQLSchema:
        """All types, `@inaccessible` elements included, without machinery: what plans are made against."""
        return full_schema(self)

    @cached_property
    def api_schema(self) -> GraphQLSchema:
        """What clients see: `schema` without `@inaccessible` elements."""
        return api_schema(self)


def read_supergraph(sdl: str) -> Supergraph:
    """`Supergraph.from_sdl`."""
    return Supergraph.from_sdl(sdl)
