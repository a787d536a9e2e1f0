"""The types that subgraphs give one field or argument -> the type it has in the supergraph."""

from collections.abc import Sequence

from graphql import ListTypeNode, NamedTypeNode, NonNullTypeNode, TypeNode

from botberi_gateway.composition.merge.state import MergeState
from botberi_gateway.federation.printed import printed_type


def same(one: TypeNode, other: TypeNode) -> bool:
    while True:  # not by their texts: this is asked for every field of every subgraph
        if isinstance(one, NamedTypeNode):
            return isinstance(other, NamedTypeNode) and one.name.value == other.name.value
        if isinstance(one, ListTypeNode):
            if not isinstance(other, ListTypeNode):
                return False
            one, other = one.type, other.type
            continue
        assert isinstance(one, NonNullTypeNode)
        if not isinstance(other, NonNullTypeNode):
            return False
        one, other = one.type, other.type


def is_subtype(state: MergeState, one: TypeNode, other: TypeNode) -> bool:
    """`one` may stand where `other` is expected (equal types included)."""
    if isinstance(one, NonNullTypeNode):
        if isinstance(other, NonNullTypeNode):
            return is_subtype(state, one.type, other.type)
        return is_subtype(state, one.type, other)
    if isinstance(other, NonNullTypeNode):
        return False
    if isinstance(one, ListTypeNode) or isinstance(other, ListTypeNode):
        if isinstance(one, ListTypeNode) and isinstance(other, ListTypeNode):
            return is_subtype(state, one.type, other.type)
        return False
    assert isinstance(one, NamedTypeNode)
    assert isinstance(other, NamedTypeNode)
    name, expected = one.name.value, other.name.value
    return name == expected or state.is_named_subtype(name, expected)


def merge_output_types(state: MergeState, types: Sequence[TypeNode]) -> TypeNode | None:
    """The most general; None where the types don't fit together."""
    merged = types[0]
    for candidate in types[1:]:
        if is_subtype(state, candidate, merged):
            continue
        if not is_subtype(state, merged, candidate):
            return None
        merged = candidate
    return merged


def merge_input_types(state: MergeState, types: Sequence[TypeNode]) -> TypeNode | None:
    """The most special, which every subgraph accepts; None where the types don't fit together."""
    merged = types[0]
    for candidate in types[1:]:
        if is_subtype(state, merged, candidate):
            continue
        if not is_subtype(state, candidate, merged):
            return None
        merged = candidate
    return merged


def describe(pairs: Sequence[tuple[str, TypeNode]]) -> str:
    """`Int in "a" and "b", String in "c"`, for messages."""
    groups: dict[str, list[str]] = {}
    for subgraph, node in pairs:
        groups.setdefault(printed_type(node), []).append(f'"{subgraph}"')
    return ", ".join(f"{text} in {' and '.join(names)}" for text, names in groups.items())
