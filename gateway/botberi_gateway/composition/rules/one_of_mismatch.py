"""`ONE_OF_MISMATCH`: an input type is `@oneOf` in some subgraphs alone, though clients send each the same value.

The directive: https://spec.graphql.org/draft/#sec--oneOf
"""

from collections.abc import Sequence

from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.composition.subgraph import SubgraphSchema, TypeDef, is_one_of


def check(state: MergeState, name: str, owners: Sequence[tuple[SubgraphSchema, TypeDef]]) -> None:
    """`owners` are the subgraphs that have the input type."""
    having = [(s, t) for s, t in owners if is_one_of(t)]
    if having and len(having) < len(owners):
        lacking = names_of(s for s, t in owners if not is_one_of(t))
        state.error(
            "ONE_OF_MISMATCH",
            f'The input type "{name}" is @oneOf in {names_of(s for s, _ in having)}, but not in {lacking}.',
            [(s, t.node) for s, t in owners],
        )
