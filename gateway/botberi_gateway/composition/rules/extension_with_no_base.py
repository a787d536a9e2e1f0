"""`EXTENSION_WITH_NO_BASE`: a type is extended, and no subgraph defines it.

The code: https://www.apollographql.com/docs/graphos/reference/federation/composition-rules
"""

from collections.abc import Sequence

from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.composition.subgraph import SubgraphSchema, TypeDef

_ROOTS = frozenset({"Query", "Mutation", "Subscription"})


def check(state: MergeState, name: str, owners: Sequence[tuple[SubgraphSchema, TypeDef]]) -> None:
    """`owners` are the subgraphs that have the type."""
    if name in _ROOTS or any(t.defined for _, t in owners):
        return
    extending = [(s, t.node) for s, t in owners if t.extended]
    if extending:
        state.error(
            "EXTENSION_WITH_NO_BASE",
            f'"{name}" is extended in {names_of(s for s, _ in extending)}, but defined in no subgraph.',
            extending,
        )
