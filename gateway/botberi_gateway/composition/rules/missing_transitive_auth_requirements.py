"""MISSING_TRANSITIVE_AUTH_REQUIREMENTS: a field that reads guarded data (@requires, @fromContext) is guarded.

The directives: https://www.apollographql.com/docs/graphos/reference/federation/directives#authenticated
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from graphql import ConstDirectiveNode, FieldNode, InlineFragmentNode, SelectionSetNode, value_from_ast_untyped

from botberi_gateway.composition.access import conjunction, implies
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import FieldDef, SubgraphSchema, base_name
from botberi_gateway.federation import FieldSetSyntaxError, parse_field_set
from botberi_gateway.federation.context_value import parse_from_context
from botberi_gateway.supergraph import Supergraph, SupergraphType


@dataclass(slots=True)
class _Guard:
    """The access that a caller needs: of each list one of its alternatives."""

    authenticated: bool = False
    scopes: list[list[list[str]]] = field(default_factory=list)
    policies: list[list[list[str]]] = field(default_factory=list)

    def add(self, state: MergeState, directives: Iterable[ConstDirectiveNode]) -> "_Guard":
        names = state.composed.names
        for node in directives:
            local = node.name.value
            values = [value_from_ast_untyped(a.value) for a in node.arguments or ()]
            if local == names.get("authenticated"):
                self.authenticated = True
            elif local == names.get("requiresScopes") and values:
                self.scopes.append(values[0])
            elif local == names.get("policy") and values:
                self.policies.append(values[0])
        return self

    def covers(self, other: "_Guard") -> bool:
        if other.authenticated and not self.authenticated:
            return False
        return all(
            implies(conjunction(mine), conjunction(needed)) if needed else True
            for mine, needed in ((self.scopes, other.scopes), (self.policies, other.policies))
        )


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    if not {"authenticated", "requiresScopes", "policy"} & state.composed.used:
        return
    for schema in state.schemas:
        for type_ in schema.objects():
            merged = supergraph.types[type_.name]
            for definition in type_.fields.values():
                if definition.name in merged.fields:
                    yield from _check_field(supergraph, state, schema, merged, definition)


def _check_field(
    supergraph: Supergraph, state: MergeState, schema: SubgraphSchema, type_: SupergraphType, definition: FieldDef
) -> Iterator[Problem]:
    held = _field_guard(supergraph, state, type_, definition.name)
    reads: list[tuple[SupergraphType, str, str]] = []
    for applied in definition.applied("requires"):
        reads.append((type_, applied.field_set() or "", "@requires"))
    for argument in definition.arguments.values():
        for applied in argument.applied("fromContext"):
            parsed = parse_from_context(applied.text("field") or "")
            if parsed.name is None:
                continue
            for setter in schema.types.values():
                if any(c.text("name") == parsed.name for c in setter.applied("context")):
                    reads.append((supergraph.types[setter.name], parsed.selection, "@fromContext"))
    for start, text, reason in reads:
        try:
            selection = parse_field_set(text)
        except FieldSetSyntaxError:
            continue
        for coordinate, guard in _guards(supergraph, state, start, selection):
            if not held.covers(guard):
                yield Problem(
                    "MISSING_TRANSITIVE_AUTH_REQUIREMENTS",
                    f'[{schema.name}] "{definition.coordinate}" reads "{coordinate}" by {reason}, '
                    "but doesn't ask for the access that it needs.",
                    place(schema.name, definition.node),
                )
                break


def _field_guard(supergraph: Supergraph, state: MergeState, type_: SupergraphType, name: str) -> _Guard:
    merged = type_.fields[name]
    guard = _Guard().add(state, type_.directives).add(state, merged.directives)
    target = supergraph.types.get(base_name(merged.type))
    return guard.add(state, target.directives) if target is not None else guard


def _guards(
    supergraph: Supergraph, state: MergeState, type_: SupergraphType, node: SelectionSetNode
) -> Iterator[tuple[str, _Guard]]:
    for selection in node.selections:
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            target = supergraph.types.get(condition.name.value) if condition else type_
            if target is not None:
                yield target.name, _Guard().add(state, target.directives)
                yield from _guards(supergraph, state, target, selection.selection_set)
        elif isinstance(selection, FieldNode) and selection.name.value in type_.fields:
            name = selection.name.value
            yield f"{type_.name}.{name}", _field_guard(supergraph, state, type_, name)
            target = supergraph.types.get(base_name(type_.fields[name].type))
            if selection.selection_set is not None and target is not None:
                yield from _guards(supergraph, state, target, selection.selection_set)
