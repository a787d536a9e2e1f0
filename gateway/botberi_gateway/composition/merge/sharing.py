"""The subgraphs that resolve a field -> an error if one of them hasn't marked it as shareable."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from botberi_gateway.composition.merge.override import Overrides
from botberi_gateway.composition.merge.state import MergeState, Source, names_of
from botberi_gateway.composition.subgraph import SubgraphSchema


def check_sharing(
    state: MergeState, type_name: str, name: str, sources: Sequence[Source], overrides: Overrides
) -> None:
    """`INVALID_FIELD_SHARING`. Fields that are shared are noted for the rule on the types of their values."""
    if state.kinds.get(type_name) == "INTERFACE" and not any(t.is_interface_object for _, t, _ in sources):
        return
    resolving: list[Source] = []
    for schema, type_, field in sources:
        external = schema.is_external(type_, field)
        if external and (type_.name, name) not in schema.provided:
            continue
        if schema.name in overrides.used or schema.name in overrides.labels:
            continue
        if type_.kind == "INTERFACE":
            continue
        resolving.append((schema, type_, field))
    resolving += through_interface_objects(state, type_name, name, {s.name for s, _, _ in resolving})
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


def _shareable(schema: SubgraphSchema, type_: object, field: object) -> bool:
    owner, member = type_, field
    name = (owner.name, member.name)  # type: ignore[attr-defined]
    return name in schema.provided or schema.is_shareable(owner, member)  # type: ignore[arg-type]


def through_interface_objects(state: MergeState, type_name: str, name: str, already: AbstractSet[str]) -> list[Source]:
    """A subgraph that has the interface as an object resolves the field for every implementation."""
    sources: list[Source] = []
    interfaces = state.interfaces.get(type_name, set()) & state.interface_objects
    if not interfaces:
        return sources
    for schema in state.schemas:
        if schema.name in already or type_name in schema.types:
            continue
        for interface in interfaces:
            owner = schema.types.get(interface)
            if owner is not None and owner.is_interface_object and name in owner.fields:
                field = owner.fields[name]
                if not schema.is_external(owner, field):
                    sources.append((schema, owner, field))
                    break
    return sources
