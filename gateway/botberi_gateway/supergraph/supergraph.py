"""Supergraph data -> `Supergraph`: reads and prints SDL, and makes the schemas that plans and clients need."""

from functools import cached_property

from graphql import GraphQLSchema

from botberi_gateway.federation import Version
from botberi_gateway.supergraph.api import api_schema, full_schema
from botberi_gateway.supergraph.machinery import LATEST_JOIN
from botberi_gateway.supergraph.model import SupergraphData
from botberi_gateway.supergraph.print import print_supergraph
from botberi_gateway.supergraph.read import read_into


class Supergraph(SupergraphData):
    """The data, and what is made of it once."""

    @classmethod
    def from_sdl(cls, sdl: str) -> "Supergraph":
        """Read supergraph SDL (join v0.1 to v0.5). Raises `botberi_gateway.errors.SupergraphError`."""
        return read_into(cls, sdl)

    def to_sdl(self, join: Version = LATEST_JOIN) -> str:
        """Standard supergraph SDL. Raises `ValueError` for a join version that isn't written."""
        return print_supergraph(self, join)

    @cached_property
    def schema(self) -> GraphQLSchema:
        """The schema for plans: all types, `@inaccessible` ones included, without those of link and join."""
        return full_schema(self)

    @cached_property
    def api_schema(self) -> GraphQLSchema:
        """The schema that clients see: `schema` without `@inaccessible` elements."""
        return api_schema(self)


def read_supergraph(sdl: str) -> Supergraph:
    """`Supergraph.from_sdl`."""
    return Supergraph.from_sdl(sdl)
