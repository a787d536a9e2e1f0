"""Access requirements of implementations -> those of the interfaces through which they can be reached."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphql import ConstArgumentNode, ConstDirectiveNode, NameNode, value_from_ast_untyped

from botberi_gateway.composition.access import conjunction
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.supergraph import SupergraphType
from botberi_gateway.supergraph.values import value_node

#: Directive -> its argument.
GUARDS = {"authenticated": None, "requiresScopes": "scopes", "policy": "policies"}


def guard_interfaces(
    state: MergeState, merged: Mapping[str, SupergraphType], spread: Mapping[str, SupergraphType]
) -> dict[str, SupergraphType]:
    """An interface asks for what its implementations ask for together, so that nothing slips through it.

    `merged` are the types as their own subgraphs have them, `spread` the same with the fields of interface objects.
    What an interface object asks for holds for the field of each implementation, and for other interfaces of these;
    what an implementation asks for holds for its interfaces, but not for its siblings.
    """
    result = dict(spread)
    if not any(name in state.composed.used for name in GUARDS):
        return result
    for interface in merged.values():
        if interface.kind != "INTERFACE":
            continue
        implementers = sorted(state.implementers(interface.name))
        sources = [merged[name] for name in (*implementers, *_related_objects(state, interface.name, implementers))]
        fields = {
            f.name: replace(f, directives=_combined(state, f.directives, _field_directives(sources, f.name)))
            for f in interface.fields.values()
        }
        directives = _combined(state, interface.directives, [merged[name].directives for name in implementers])
        result[interface.name] = replace(interface, fields=fields, directives=directives)
        if interface.name in state.interface_objects:
            _guard_implementations(state, interface, implementers, result)
    return result


def _related_objects(state: MergeState, name: str, implementers: Sequence[str]) -> list[str]:
    """Other interfaces that some subgraph has as an object and that share an implementation."""
    others = {other for n in implementers for other in state.interfaces.get(n, set()) & state.interface_objects}
    return sorted(others - {name})


def _field_directives(sources: Sequence[SupergraphType], name: str) -> list[Sequence[ConstDirectiveNode]]:
    return [t.fields[name].directives for t in sources if name in t.fields]


def _guard_implementations(
    state: MergeState, interface: SupergraphType, implementers: Sequence[str], result: dict[str, SupergraphType]
) -> None:
    """Copies the access that an interface object demands on a field to the field of every implementation."""
    objects = [t for _, t in state.sources(interface.name) if t.is_interface_object]
    guarded = {f.name for t in objects for f in t.fields.values() if any(f.has(guard) for guard in GUARDS)}
    for implementation in implementers if guarded else ():
        owner = result[implementation]
        fields = dict(owner.fields)
        for field in guarded & fields.keys() & interface.fields.keys():
            required = interface.fields[field].directives
            fields[field] = replace(fields[field], directives=_combined(state, fields[field].directives, [required]))
        result[implementation] = replace(owner, fields=fields)


def _combined(
    state: MergeState, required: Sequence[ConstDirectiveNode], others: Sequence[Sequence[ConstDirectiveNode]]
) -> tuple[ConstDirectiveNode, ...]:
    names = {state.composed.names[n]: n for n in GUARDS if n in state.composed.names}
    by_name: dict[str, list[ConstDirectiveNode]] = {}
    for directives in (required, *others):
        for node in directives:
            if node.name.value in names:
                by_name.setdefault(names[node.name.value], []).append(node)
    if not by_name:
        return tuple(required)
    kept = [d for d in required if d.name.value not in names]
    for name, argument in GUARDS.items():
        if name not in by_name:
            continue
        local = state.composed.names[name]
        arguments: tuple[ConstArgumentNode, ...] = ()
        if argument is not None:
            merged = conjunction([_value(node, argument) for node in by_name[name]])
            arguments = (ConstArgumentNode(name=NameNode(value=argument), value=value_node(merged)),)
        kept.append(ConstDirectiveNode(name=NameNode(value=local), arguments=arguments))
    return tuple(kept)


def _value(node: ConstDirectiveNode, argument: str) -> list[list[str]]:
    for entry in node.arguments or ():
        if entry.name.value == argument:
            value: list[list[str]] = value_from_ast_untyped(entry.value)
            return value
    return [[]]
