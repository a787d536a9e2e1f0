"""The rules, each in a file named as its error code, in the order in which they are applied."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from gateway.composition.merge.state import MergeState
from gateway.composition.problem import Problem
from gateway.composition.rules import (
    invalid_subgraph_name,
)
from gateway.composition.subgraph import Subgraph, SubgraphSchema
from gateway.supergraph import Supergraph

SetRule: TypeAlias = Callable[[Sequence[Subgraph]], Iterable[Problem]]
SubgraphRule: TypeAlias = Callable[[SubgraphSchema], Iterable[Problem]]
MergedRule: TypeAlias = Callable[[Supergraph, MergeState], Iterable[Problem]]

#: About the set as a whole, before anything is read.
SET_RULES: tuple[SetRule, ...] = (invalid_subgraph_name.check,)
#: About one subgraph; its GraphQL is valid already.
SUBGRAPH_RULES: tuple[SubgraphRule, ...] = ()
#: About the merged graph; a group is applied when the one before found nothing.
MERGED_RULES: tuple[tuple[MergedRule, ...], ...] = ()
