"""Who resolves a field -> whether all of them agreed to share it, and to share the same kinds of objects."""

from collections.abc import Sequence

from graphql import print_ast

from gateway.composition.merge.override import Overrides, Source
from gateway.composition.merge.state import MergeState, names_of
from gateway.composition.subgraph import SubgraphSchema, base_name


def check_sharing(
    state: MergeState, type_name: str, name: str, sources: Sequence[Source], overrides: Overrides
) -> None:
    """`INVALID_FIELD_SHARING`, `SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES` and its hint."""
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
    resolving += _through_interface_objects(state, type_name, name, {s.name for s, _, _ in resolving})
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
        _check_runtime_types(state, coordinate, resolving)


def _shareable(schema: SubgraphSchema, type_: object, field: object) -> bool:
    found, member = type_, field
    name = (found.name, member.name)  # type: ignore[attr-defined]
    return name in schema.provided or schema.is_shareable(found, member)  # type: ignore[arg-type]


def _through_interface_objects(state: MergeState, type_name: str, name: str, already: set[str]) -> list[Source]:
    """A subgraph that has the interface as an object resolves the field for every implementation."""
    found = []
    for schema in state.schemas:
        if schema.name in already or type_name in schema.types:
            continue
        for interface in state.interfaces.get(type_name, ()):
            owner = schema.types.get(interface)
            if owner is not None and owner.is_interface_object and name in owner.fields:
                field = owner.fields[name]
                if not schema.is_external(owner, field):
                    found.append((schema, owner, field))
                    break
    return found


def _check_runtime_types(state: MergeState, coordinate: str, sources: Sequence[Source]) -> None:
    possible = {s.name: (s, s.possible_types(base_name(f.type)), f) for s, _, f in sources}
    abstract = {n for _, _, f in sources if state.kinds.get(n := base_name(f.type)) in ("INTERFACE", "UNION")}
    known = {name: entry for name, entry in possible.items() if entry[1]}
    if not abstract or len(known) < 2:
        return
    if any((t := s.types.get(base_name(f.type))) is not None and t.is_interface_object for s, _, f in sources):
        return
    sets = [entry[1] for entry in known.values()]
    if all(found == sets[0] for found in sets):
        return
    told = "; ".join(f'{", ".join(sorted(types))} in "{name}"' for name, (_, types, _) in known.items())
    at = [(schema, field.node) for schema, _, field in known.values()]
    kind = print_ast(sources[0][2].type)
    if not set.intersection(*sets):
        state.error(
            "SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES",
            f'"{coordinate}" ({kind}) is shared, but no type is possible in all subgraphs: {told}.',
            at,
        )
    else:
        state.hint(
            "INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN",
            f'"{coordinate}" ({kind}) is shared, but its possible types differ: {told}.',
            "WARN",
            at,
        )
