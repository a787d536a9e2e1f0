"""`INVALID_FIELD_SHARING`: several subgraphs resolve a field, and one of them has not marked it as shareable.

The code: https://www.apollographql.com/docs/graphos/reference/federation/composition-rules
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from botberi_gateway.composition.merge_state import MergeState, Source, names_of
from botberi_gateway.composition.subgraph import FieldDef, SubgraphSchema, TypeDef


def check(
    state: MergeState, type_name: str, name: str, sources: Sequence[Source], overridden: AbstractSet[str]
) -> None:
    """`overridden` are subgraphs that only hold the field on. What is shared is noted for the rule on its values."""
    if state.kinds.get(type_name) == "INTERFACE" and not any(t.is_interface_object for _, t, _ in sources):
        return
    resolving: list[Source] = []
    for schema, type_, field in sources:
        external = schema.is_external(type_, field)
        if external and (type_.name, name) not in schema.provided:
            continue
        if schema.name in overridden:
            continue
        if type_.kind == "INTERFACE":
            continue
        resolving.append((schema, type_, field))
    resolving += state.given_by_interface_objects(type_name, name, {s.name for s, _, _ in resolving})
    if len(resolving) < 2:
        return
    alone = [(s, t, f) for s, t, f in resolving if not _shareable(s, t, f)]
    coordinate = f"{type_name}.{name}"
    if alone:
        sharing = names_of(s for s, _, _ in resolving)
        lacking = names_of(s for s, _, _ in alone)
        state.error(
            "INVALID_FIELD_SHARING",
            f'"{coordinate}" is resolved by {sharing}, but not marked @shareable in {lacking}.',
            [(s, f.node) for s, _, f in alone],
        )
    else:
        state.shared.append((coordinate, resolving))


def _shareable(schema: SubgraphSchema, type_: TypeDef, field: FieldDef) -> bool:
    return (type_.name, field.name) in schema.provided or schema.is_shareable(type_, field)


def check_subscription(state: MergeState, owners: Sequence[tuple[SubgraphSchema, TypeDef]]) -> None:
    """The same code for a field of the subscription root: an event stream has one source."""
    for schema, type_ in owners:
        for field in type_.fields.values():
            if field.has("shareable"):
                state.error(
                    "INVALID_FIELD_SHARING",
                    f'"{field.coordinate}" in "{schema.name}" can\'t be @shareable: '
                    "it is a field of the subscription root.",
                    [(schema, field.node)],
                )
