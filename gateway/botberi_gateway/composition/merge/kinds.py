"""Names of types in all subgraphs -> the kind of each in the supergraph, and the hierarchy of types."""

from botberi_gateway.composition.merge_state import MergeState, kind_of, names_of
from botberi_gateway.composition.rules import extension_with_no_base
from botberi_gateway.composition.subgraph import SubgraphSchema, TypeDef
from botberi_gateway.supergraph import TypeKind

_BUILT_IN = frozenset({"Int", "Float", "String", "Boolean", "ID"})


def merged_kinds(state: MergeState) -> None:
    """Fill `kinds`, `interfaces` and `members`. Where kinds differ, an error is noted and the first one counts."""
    names = dict.fromkeys(name for schema in state.schemas for name in schema.types if name not in _BUILT_IN)
    for name in [*names, *(() if "Query" in names else ("Query",))]:
        owners = state.sources(name)
        kind = state.kinds[name] = _kind(state, name, owners) if owners else "OBJECT"
        if name in state.mismatched:
            owners = state.sources(name)
        if owners:
            extension_with_no_base.check(state, name, owners)
        if kind in ("OBJECT", "INTERFACE"):
            state.interfaces[name] = {i for _, t in owners for i in t.interfaces}
        elif kind == "UNION":
            state.members[name] = {m for _, t in owners for m in t.members}


def _kind(state: MergeState, name: str, owners: list[tuple[SubgraphSchema, TypeDef]]) -> TypeKind:
    seen: dict[TypeKind, list[SubgraphSchema]] = {}
    for schema, type_ in owners:
        seen.setdefault(kind_of(type_), []).append(schema)
    if len(seen) > 1:
        listing = ", ".join(f"{kind.lower().replace('_', ' ')} in {names_of(s)}" for kind, s in seen.items())
        state.error(
            "TYPE_KIND_MISMATCH",
            f'"{name}" is not the same kind of type everywhere: {listing}.',
            [(s, t.node) for s, t in owners],
        )
        state.mismatched.add(name)
    return next(iter(seen))
