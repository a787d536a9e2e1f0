"""Objects and interfaces of several subgraphs -> one type with the fields of all."""

from botberi_gateway.composition.merge.fields import merge_field
from botberi_gateway.composition.merge.types import Owners, type_description, type_directives, type_joins
from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.composition.rules import invalid_field_sharing
from botberi_gateway.supergraph import JoinImplements, JoinType, SupergraphType, TypeKind


def merge_composite(state: MergeState, name: str, kind: TypeKind, owners: Owners) -> SupergraphType:
    """`kind` is OBJECT or INTERFACE."""
    names = dict.fromkeys(field for _, t in owners for field in t.fields)
    fields = {}
    if name == "Subscription":
        invalid_field_sharing.check_subscription(state, owners)
    for field_name in names:
        merged = merge_field(state, name, field_name, owners)
        if merged is not None:
            fields[field_name] = merged
    _hint_differences(state, name, kind, owners)
    joins = type_joins(owners)
    if name == "Query":  # each subgraph can be asked for something: `_service` at least
        having = {join.graph for join in joins}
        joins += tuple(JoinType(s.graph) for s in state.schemas if s.graph not in having)
        order = {s.graph: i for i, s in enumerate(state.schemas)}
        joins = tuple(sorted(joins, key=lambda join: order[join.graph]))
    implements = tuple(JoinImplements(s.graph, i) for s, t in owners for i in t.interfaces)
    return SupergraphType(
        name=name,
        kind=kind,
        joins=joins,
        interfaces=tuple(dict.fromkeys(join.interface for join in implements)),
        implements=implements,
        fields=fields,
        directives=type_directives(state, name, owners),
        description=type_description(state, name, owners),
    )


def _hint_differences(state: MergeState, name: str, kind: TypeKind, owners: Owners) -> None:
    if name in ("Query", "Mutation", "Subscription") or len(owners) < 2:
        return
    keyed = [s for s, t in owners if t.keys]
    if kind == "OBJECT" and keyed and len(keyed) < len(owners):
        state.hint(
            "INCONSISTENT_ENTITY",
            f'"{name}" has a @key in {names_of(keyed)}, but not in {names_of(s for s, t in owners if not t.keys)}.',
            "INFO",
            [(s, t.node) for s, t in owners if not t.keys],
        )
    if keyed:
        return
    code = "INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD" if kind == "INTERFACE" else "INCONSISTENT_OBJECT_VALUE_TYPE_FIELD"
    for field in dict.fromkeys(f for _, t in owners for f in t.fields):
        lacking = [(s, t) for s, t in owners if field not in t.fields]
        if lacking:
            state.hint(
                code,
                f'"{name}.{field}" is missing in {names_of(s for s, _ in lacking)}.',
                "DEBUG",
                [(s, t.node) for s, t in lacking],
            )
