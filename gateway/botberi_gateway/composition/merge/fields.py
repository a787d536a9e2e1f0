"""One field of an object or interface in several subgraphs -> the field of the supergraph, with its joins."""

from collections.abc import Sequence

from graphql import TypeNode

from botberi_gateway.composition.merge.arguments import merge_arguments
from botberi_gateway.composition.merge.context import context_arguments
from botberi_gateway.composition.merge.descriptions import merge_description
from botberi_gateway.composition.merge.directives import merge_directives
from botberi_gateway.composition.merge.override import Overrides, read_overrides
from botberi_gateway.composition.merge_state import MergeState, Source, names_of
from botberi_gateway.composition.rules import external_mismatch, invalid_field_sharing
from botberi_gateway.composition.subgraph import Element, SubgraphSchema, TypeDef, base_name
from botberi_gateway.composition.type_references import describe, merge_output_types, same
from botberi_gateway.federation.printed import printed_type
from botberi_gateway.supergraph import JoinField, SupergraphField


def merge_field(
    state: MergeState,
    type_name: str,
    name: str,
    owners: Sequence[tuple[SubgraphSchema, TypeDef]],
) -> SupergraphField | None:
    """`owners` are the subgraphs that have the type. None where no subgraph resolves the field any more."""
    coordinate = f"{type_name}.{name}"
    sources: list[Source] = [(s, t, t.fields[name]) for s, t in owners if name in t.fields]
    if all(s.is_external(t, f) for s, t, f in sources):
        if state.given_by_interface_objects(type_name, name):
            return _given_by_interface_object(state, coordinate, sources, owners)
        state.error(
            "EXTERNAL_MISSING_ON_BASE",
            f'"{coordinate}" is @external wherever it is declared ({names_of(s for s, _, _ in sources)}): '
            "no subgraph resolves it.",
            [(s, f.node) for s, _, f in sources],
        )
        read_overrides(state, coordinate, sources)  # their problems are reported in addition
        return None
    overrides = read_overrides(state, coordinate, sources)
    kept = [source for source in sources if source[0].name not in overrides.dropped]
    resolving = [(s, t, f) for s, t, f in kept if not s.is_external(t, f)]
    if not resolving:
        return None
    what = f'"{coordinate}"'
    # an overridden declaration still has its say: it may come back when the @override goes
    declared = [(s, t, f) for s, t, f in sources if not s.is_external(t, f)]
    merged = _merge_type(state, what, declared)
    elements: list[tuple[SubgraphSchema, Element]] = [(s, f) for s, _, f in declared]
    arguments = merge_arguments(state, coordinate, [(s, f.arguments) for s, _, f in declared])
    directives = merge_directives(state, what, elements)
    description = merge_description(state, what, elements)
    if len(resolving) < len(kept):
        external_mismatch.check(state, merged, arguments, coordinate, kept)
    invalid_field_sharing.check(state, type_name, name, kept, overrides.still_held)
    varied = any(f.type is not merged and not same(f.type, merged) for _, _, f in declared)
    joins = _joins(state, coordinate, owners, kept, overrides, varied=varied)
    return SupergraphField(
        name=name,
        type=merged,
        arguments=arguments,
        joins=joins,
        directives=directives,
        description=description,
    )


def _given_by_interface_object(
    state: MergeState, coordinate: str, sources: Sequence[Source], owners: Sequence[tuple[SubgraphSchema, TypeDef]]
) -> SupergraphField:
    """The field of an implementation that its own subgraphs declare `@external`.

    A subgraph that has the interface as an object resolves it.
    """
    overrides = read_overrides(state, coordinate, sources)
    merged = _merge_type(state, f'"{coordinate}"', sources)
    arguments = merge_arguments(state, coordinate, [(s, f.arguments) for s, _, f in sources])
    external_mismatch.check(state, merged, arguments, coordinate, sources)
    type_name, _, name = coordinate.partition(".")
    invalid_field_sharing.check(state, type_name, name, sources, overrides.still_held)
    varied = any(not same(f.type, merged) for _, _, f in sources)
    joins = _joins(state, coordinate, owners, sources, overrides, varied=varied)
    return SupergraphField(name=name, type=merged, arguments=arguments, joins=joins)


def _merge_type(state: MergeState, what: str, sources: Sequence[Source]) -> TypeNode:
    merged = merge_output_types(state, [f.type for _, _, f in sources])
    if merged is None or any(f.type is not merged and not same(merged, f.type) for _, _, f in sources):
        listing = describe([(s.name, f.type) for s, _, f in sources])
        at = [(s, f.node) for s, _, f in sources]
        if merged is None:
            state.error("FIELD_TYPE_MISMATCH", f"The types of {what} don't fit together: {listing}.", at)
            merged = sources[0][2].type
        else:
            state.hint(
                "INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE",
                f"{what} has different types ({listing}); the supergraph has {printed_type(merged)}.",
                "INFO",
                at,
            )
    state.used_as_output.add(base_name(merged))
    return merged


def _joins(
    state: MergeState,
    coordinate: str,
    owners: Sequence[tuple[SubgraphSchema, TypeDef]],
    kept: Sequence[Source],
    overrides: Overrides,
    *,
    varied: bool,
) -> tuple[JoinField, ...]:
    joins = []
    for schema, type_, field in kept:
        requires = next(field.applied("requires"), None)
        provides = next(field.applied("provides"), None)
        source, label = overrides.by.get(schema.name, (None, overrides.labels.get(schema.name)))
        used = schema.name in overrides.used and schema.name not in overrides.labels
        joins.append(
            JoinField(
                graph=schema.graph,
                requires=requires.field_set() if requires else None,
                provides=provides.field_set() if provides else None,
                type=printed_type(field.type) if varied else None,
                external=schema.is_external(type_, field),
                override=source,
                override_label=label,
                used_overridden=used,
                context_arguments=context_arguments(schema, type_, field),
            )
        )
    # each subgraph has a Query, if only for `_service`
    having = len(state.schemas) if coordinate.startswith("Query.") else len(owners)
    # an @override of what isn't there changes nothing
    if having == len(kept) and all(_says_nothing(join) for join in joins):
        return ()  # it is in every subgraph that has the type, and the same in all
    return tuple(joins)


def _says_nothing(join: JoinField) -> bool:
    """Whether the join only says which subgraph has the field, and what it overrides."""
    return join == JoinField(join.graph, override=join.override)
