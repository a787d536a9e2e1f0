"""Enums of several subgraphs -> one, by how it is used: for input what all know, for output what any may say."""

from botberi_gateway.composition.merge.descriptions import merge_description
from botberi_gateway.composition.merge.directives import merge_directives
from botberi_gateway.composition.merge.types import Owners, type_description, type_directives, type_joins
from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.composition.subgraph import Element, SubgraphSchema
from botberi_gateway.supergraph import EnumValue, SupergraphType


def merge_enum(state: MergeState, name: str, owners: Owners) -> SupergraphType:
    """Fields and arguments have to be merged before, as they note how the enum is used."""
    for_input, for_output = name in state.used_as_input, name in state.used_as_output
    if not for_input and not for_output:
        state.hint(
            "UNUSED_ENUM_TYPE",
            f'The enum "{name}" is used nowhere; all its values are kept.',
            "DEBUG",
            [(s, t.node) for s, t in owners],
        )
    values = {}
    for value in dict.fromkeys(v for _, t in owners for v in t.values):
        having: list[tuple[SubgraphSchema, Element]] = [(s, t.values[value]) for s, t in owners if value in t.values]
        lacking = [(s, t) for s, t in owners if value not in t.values]
        what = f'"{name}.{value}"'
        directives = merge_directives(state, what, having)
        hidden = any(e.has("inaccessible") for _, e in having)
        if lacking:
            listing = f"{names_of(s for s, _ in having)}, but not in {names_of(s for s, _ in lacking)}"
            at = [(s, e.node) for s, e in having]
            if for_input and for_output and not hidden:
                state.error(
                    "ENUM_VALUE_MISMATCH",
                    f'"{name}" is used for input and for output, so its values have to be the same everywhere: '
                    f"{what} is in {listing}.",
                    at,
                )
            elif for_input and not for_output:
                state.hint(
                    "INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM",
                    f"{what} is left out of the supergraph: it is in {listing}.",
                    "WARN",
                    at,
                )
                continue
            elif for_output:
                state.hint("INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM", f"{what} is in {listing}.", "DEBUG", at)
        values[value] = EnumValue(
            value, tuple(s.graph for s, _ in having), directives, merge_description(state, what, having)
        )
    if not values:
        state.error(
            "EMPTY_MERGED_ENUM_TYPE",
            f'No value of "{name}" is in all of {names_of(s for s, _ in owners)}.',
            [(s, t.node) for s, t in owners],
        )
    return SupergraphType(
        name=name,
        kind="ENUM",
        joins=type_joins(owners),
        values=values,
        directives=type_directives(state, name, owners),
        description=type_description(state, name, owners),
    )
