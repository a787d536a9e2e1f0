"""A GraphQL federation gateway for any graph: compose, plan, execute, serve."""

from gateway.supergraph import Supergraph

__all__ = ["Supergraph"]
