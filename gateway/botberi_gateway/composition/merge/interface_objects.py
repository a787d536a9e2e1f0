"""Fields that an `@interfaceObject` gives an interface -> the same fields on its implementations."""

from collections.abc import Mapping
from dataclasses import replace

from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.supergraph import JoinField, SupergraphField, SupergraphType


def spread_fields(state: MergeState, types: Mapping[str, SupergraphType]) -> dict[str, SupergraphType]:
    """The types, with such fields on implementations that lack them; no subgraph of the type itself resolves them."""
    result = dict(types)
    for interface in types.values():
        if interface.kind != "INTERFACE":
            continue
        fields = _given(state, interface)
        if not fields:
            continue
        for name in state.implementers(interface.name):
            owner = result[name]
            changed = {f.name: f for f in fields if f.name not in owner.fields}
            changed |= {f.name: declared for f in fields if (declared := _declared(owner, f)) is not None}
            if changed:
                result[name] = replace(owner, fields={**owner.fields, **changed})
    return result


def _declared(owner: SupergraphType, field: SupergraphField) -> SupergraphField | None:
    """The implementation's field with the interface's directives; its own subgraphs have it only as `@external`."""
    declared = owner.fields.get(field.name)
    if declared is None or not declared.joins or not all(join.external for join in declared.joins):
        return None
    return replace(declared, directives=tuple(dict.fromkeys((*declared.directives, *field.directives))))


def _given(state: MergeState, interface: SupergraphType) -> list[SupergraphField]:
    names = {
        field
        for schema, type_ in state.sources(interface.name)
        if type_.is_interface_object
        for field, entry in type_.fields.items()
        if not schema.is_external(type_, entry)
    }
    return [replace(f, joins=(JoinField(None),)) for f in interface.fields.values() if f.name in names]
