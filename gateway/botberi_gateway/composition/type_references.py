"""The types that subgraphs give one field or argument -> the type it has in the supergraph."""

from collections.abc import Sequence

from graphql import ListTypeNode, NamedTypeNode, NonNullTypeNode, TypeNode

from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.federation.printed import printed_type


def same(left: TypeNode, right: TypeNode) -> bool:
    while True:  # not by their texts: this is asked for every field of every subgraph
        if isinstance(left, NamedTypeNode):
            return isinstance(right, NamedTypeNode) and left.name.value == right.name.value
        if isinstance(left, ListTypeNode):
            if not isinstance(right, ListTypeNode):
                return False
            left, right = left.type, right.type
            continue
        assert isinstance(left, NonNullTypeNode)
        if not isinstance(right, NonNullTypeNode):
            return False
        left, right = left.type, right.type


def is_subtype(state: MergeState, type_: TypeNode, of: TypeNode) -> bool:
    """Whether `type_` may stand where `of` is expected (equal types included)."""
    if isinstance(type_, NonNullTypeNode):
        if isinstance(of, NonNullTypeNode):
            return is_subtype(state, type_.type, of.type)
        return is_subtype(state, type_.type, of)
    if isinstance(of, NonNullTypeNode):
        return False
    if isinstance(type_, ListTypeNode) or isinstance(of, ListTypeNode):
        if isinstance(type_, ListTypeNode) and isinstance(of, ListTypeNode):
            return is_subtype(state, type_.type, of.type)
        return False
    assert isinstance(type_, NamedTypeNode)
    assert isinstance(of, NamedTypeNode)
    name, expected = type_.name.value, of.name.value
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
