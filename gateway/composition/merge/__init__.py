"""Subgraphs -> one supergraph, and what stands against it; a file a kind of type."""

from gateway.composition.merge.merge import MergeResult, merge

__all__ = ["MergeResult", "merge"]
