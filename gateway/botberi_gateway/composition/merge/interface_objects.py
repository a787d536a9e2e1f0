"""Fields that an `@interfaceObject` gives an interface -> the same fields on its implementations."""

from collections.abc import Mapping
from dataclasses import replace

from botberi_gateway.composition.merge.state import MergeState
from botberi_gateway.supergraph import JoinField, SupergraphField, SupergraphType


def spread_fields(state: MergeState, types: Mapping[str, SupergraphType]) -> dict[str, SupergraphType]:
    """Implementations that lack such a field get it, marked as resolved by no subgraph of their own."""
    result = dict(types)
    for interface in types.values():
        if interface.kind != "INTERFACE":
            continue
        given = _given(state, interface)
        if not given:
            continue
        for name in state.implementers(interface.name):
            owner = result[name]
            changed = {f.name: f for f in given if f.name not in owner.fields}
            changed |= {f.name: own for f in given if (own := _declared(owner, f)) is not None}
            if changed:
                result[name] = replace(owner, fields={**owner.fields, **changed})
    return result


def _declared(owner: SupergraphType, given: SupergraphField) -> SupergraphField | None:
    """The implementation's field with the interface's directives; its own subgraphs have it only as `@external`."""
    own = owner.fields.get(given.name)
    if own is None or not own.joins or not all(join.external for join in own.joins):
        return None
    return replace(own, directives=tuple(dict.fromkeys((*own.directives, *given.directives))))


def _given(state: MergeState, interface: SupergraphType) -> list[SupergraphField]:
    names = {
        field
        for schema, type_ in state.sources(interface.name)
        if type_.is_interface_object
        for field, found in type_.fields.items()
        if not schema.is_external(type_, found)
    }
    return [replace(f, joins=(JoinField(None),)) for f in interface.fields.values() if f.name in names]
