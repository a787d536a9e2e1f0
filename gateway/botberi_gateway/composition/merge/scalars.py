"""Scalars of several subgraphs -> one."""

from botberi_gateway.composition.merge.types import Owners, type_description, type_directives, type_joins
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.supergraph import SupergraphType


def merge_scalar(state: MergeState, name: str, owners: Owners) -> SupergraphType:
    return SupergraphType(
        name=name,
        kind="SCALAR",
        joins=type_joins(owners),
        directives=type_directives(state, name, owners),
        description=type_description(state, name, owners),
    )
