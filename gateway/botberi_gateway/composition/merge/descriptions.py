"""Descriptions of one element in several subgraphs -> the one of the supergraph."""

from collections import Counter
from collections.abc import Sequence

from graphql import Node

from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.subgraph import Element, SubgraphSchema


def merge_description(state: MergeState, what: str, sources: Sequence[tuple[SubgraphSchema, Element]]) -> str | None:
    """The most frequent; of several as frequent, the first. An empty one counts where there is no other."""
    descriptions = [e.description for _, e in sources if e.description is not None]
    if not descriptions:  # as most elements
        return None
    counted = Counter(filter(None, descriptions))
    if not counted:
        return ""
    if len(counted) > 1:
        at: list[tuple[SubgraphSchema, Node | None]] = [(s, e.node) for s, e in sources if e.description]
        state.hint("INCONSISTENT_DESCRIPTION", f"{what} is described in different words.", "WARN", at)
    return counted.most_common(1)[0][0]
