"""Unions of several subgraphs -> one with the members of all."""

from botberi_gateway.composition.merge.types import Owners, type_description, type_directives, type_joins
from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.supergraph import JoinMember, SupergraphType


def merge_union(state: MergeState, name: str, owners: Owners) -> SupergraphType:
    members = tuple(dict.fromkeys(m for _, t in owners for m in t.members))
    for member in members:
        lacking = [(s, t) for s, t in owners if member not in t.members]
        if lacking:
            state.hint(
                "INCONSISTENT_UNION_MEMBER",
                f'"{member}" is no member of "{name}" in {names_of(s for s, _ in lacking)}.',
                "DEBUG",
                [(s, t.node) for s, t in lacking],
            )
    return SupergraphType(
        name=name,
        kind="UNION",
        joins=type_joins(owners),
        members=members,
        member_joins=tuple(JoinMember(s.graph, m) for s, t in owners for m in t.members),
        directives=type_directives(state, name, owners),
        description=type_description(state, name, owners),
    )
