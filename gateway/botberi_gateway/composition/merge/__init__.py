"""Subgraphs -> one supergraph, and what stands against it; a file a kind of type."""

from botberi_gateway.composition.merge.merge import MergeResult, merge
from botberi_gateway.composition.merge.reuse import MergedTypes

__all__ = ["MergeResult", "MergedTypes", "merge"]
