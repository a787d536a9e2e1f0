"""The schemas of all subgraphs -> the merged supergraph, with errors and hints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from botberi_gateway.composition.merge.compose_directive import plan_directives
from botberi_gateway.composition.merge.composites import merge_composite
from botberi_gateway.composition.merge.definitions import (
    executable_definitions,
    feature_links,
    feature_types,
    merged_definitions,
)
from botberi_gateway.composition.merge.descriptions import merge_description
from botberi_gateway.composition.merge.directives import merge_directives
from botberi_gateway.composition.merge.enums import merge_enum
from botberi_gateway.composition.merge.guards import guard_interfaces
from botberi_gateway.composition.merge.inputs import merge_input_object
from botberi_gateway.composition.merge.interface_objects import spread_fields
from botberi_gateway.composition.merge.kinds import merged_kinds
from botberi_gateway.composition.merge.reuse import MergedTypes
from botberi_gateway.composition.merge.scalars import merge_scalar
from botberi_gateway.composition.merge.unions import merge_union
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.problem import Problem
from botberi_gateway.composition.subgraph import Element, SubgraphSchema, base_name
from botberi_gateway.supergraph import Graph, Supergraph, SupergraphType, TypeKind


@dataclass(frozen=True, slots=True)
class MergeResult:
    """`supergraph` is None after an error."""

    supergraph: Supergraph | None
    state: MergeState
    errors: tuple[Problem, ...]
    hints: tuple[Problem, ...]


def merge(schemas: Sequence[SubgraphSchema], memory: MergedTypes) -> MergeResult:
    """Errors of all types at once. Types that `memory` has and that are unchanged aren't merged again."""
    state = MergeState(schemas, plan_directives(schemas))
    state.problems += state.composed.problems
    state.hints += state.composed.hints
    if any(p.code == "DIRECTIVE_COMPOSITION_ERROR" for p in state.problems):
        return MergeResult(None, state, tuple(state.problems), tuple(state.hints))
    merged_kinds(state)
    executable = executable_definitions(state)  # first, as its arguments use enums
    memory.begin(state)
    types = _merge_types(state, memory)
    memory.end()
    if not any(s.query and s.types["Query"].fields for s in schemas if "Query" in s.types):
        state.error("NO_QUERIES", "No subgraph has a query: the type Query needs a field in at least one.")
    definitions = merged_definitions(state, executable)
    if state.problems:
        return MergeResult(None, state, tuple(state.problems), tuple(state.hints))
    types = guard_interfaces(state, types, spread_fields(state, types))
    types |= feature_types(state)
    roots: list[tuple[SubgraphSchema, Element]] = [(s, s.schema) for s in schemas]
    schema_directives = merge_directives(state, "the schema", roots)
    supergraph = Supergraph(
        graphs={s.graph: Graph(s.graph, s.name, s.url) for s in schemas},
        types={name: types[name] for name in sorted(types)},
        query="Query",
        mutation="Mutation" if "Mutation" in types and any(s.mutation for s in schemas) else None,
        subscription="Subscription" if "Subscription" in types and any(s.subscription for s in schemas) else None,
        directive_definitions=definitions,
        schema_directives=(*feature_links(state), *schema_directives),
        description=merge_description(state, "the schema", roots),
    )
    return MergeResult(supergraph, state, tuple(state.problems), tuple(state.hints))


#: Enums come last: how the merged fields and arguments use them decides which values they keep.
_ORDER: tuple[TypeKind, ...] = ("SCALAR", "UNION", "INTERFACE", "OBJECT", "INPUT_OBJECT", "ENUM")


def _merge_types(state: MergeState, memory: MergedTypes) -> dict[str, SupergraphType]:
    types: dict[str, SupergraphType] = {}
    by_kind: Mapping[TypeKind, list[str]] = {
        kind: [name for name, actual in state.kinds.items() if actual == kind] for kind in _ORDER
    }
    for kind in _ORDER:
        if kind == "ENUM":
            _note_definition_uses(state)
        for name in by_kind[kind]:
            owners = state.sources(name)
            match kind:
                case "SCALAR":
                    types[name] = merge_scalar(state, name, owners)
                case "UNION":
                    types[name] = merge_union(state, name, owners)
                case "INPUT_OBJECT":
                    types[name] = merge_input_object(state, name, owners)
                case "ENUM":
                    types[name] = merge_enum(state, name, owners)
                case _:
                    again = partial(merge_composite, state, name, kind, owners)
                    types[name] = memory.merged(state, name, owners, again)
    return types


def _note_definition_uses(state: MergeState) -> None:
    for custom in state.composed.custom.values():
        for argument in custom.definition.arguments or ():
            state.used_as_input.add(base_name(argument.type))
