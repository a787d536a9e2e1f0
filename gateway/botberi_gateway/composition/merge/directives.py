"""Directives on one element in several subgraphs -> those of the element in the supergraph."""

from collections.abc import Sequence
from typing import Any

from graphql import (
    ConstArgumentNode,
    ConstDirectiveNode,
    ConstListValueNode,
    ConstObjectFieldNode,
    ConstObjectValueNode,
    ConstValueNode,
    EnumValueNode,
    NameNode,
    StringValueNode,
    value_from_ast_untyped,
)

from botberi_gateway.composition.access import conjunction
from botberi_gateway.composition.merge.applications import Key, coerced, given, key
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.subgraph import Applied, Element, FieldDef, SubgraphSchema
from botberi_gateway.federation.directives import COMPOSED, JOINED, Composed, Merge
from botberi_gateway.federation.specified import definition
from botberi_gateway.supergraph.values import value_node

Source = tuple[SubgraphSchema, Element]
#: Directives of GraphQL itself that are merged under their own names.
_GRAPHQL = ("deprecated", "specifiedBy")


def merge_directives(state: MergeState, what: str, sources: Sequence[Source]) -> tuple[ConstDirectiveNode, ...]:
    """The merged directives in a fixed order: GraphQL's own, the federation's, the subgraphs' own by name."""
    result: list[ConstDirectiveNode] = []
    by_name: dict[tuple[bool, str], list[tuple[SubgraphSchema, Applied]]] = {}
    for schema, element in sources:
        for applied in element.directives:
            by_name.setdefault((applied.federation, applied.name), []).append((schema, applied))
    if not by_name:
        return ()
    for name, composed in COMPOSED.items():
        applications = by_name.get((True, name))
        if applications and name in state.composed.names and composed.merge is not Merge.CONTEXT:
            result += _merge_federation(state, what, name, composed, applications, sources)
    for name in JOINED:
        result += _joined(state, name, by_name.get((True, name), ()))
    for name in _GRAPHQL:
        applications = by_name.get((False, name))
        if applications:
            result.append(_most_frequent(state, what, name, applications))
    for federation, name in sorted(by_name):
        custom = state.composed.custom.get(name)
        if federation or custom is None:
            continue
        applications = [(s, a) for s, a in by_name[federation, name] if s.name in custom.subgraphs]
        if not applications:
            continue
        if custom.definition.repeatable:
            result += _distinct(state, name, applications)
        else:
            result.append(_most_frequent(state, what, name, applications))
    return tuple(result)


def _directive(name: str, arguments: dict[str, ConstValueNode]) -> ConstDirectiveNode:
    return ConstDirectiveNode(
        name=NameNode(value=name),
        arguments=tuple(ConstArgumentNode(name=NameNode(value=k), value=v) for k, v in arguments.items()),
    )


def _distinct(
    state: MergeState, name: str, applications: Sequence[tuple[SubgraphSchema, Applied]]
) -> list[ConstDirectiveNode]:
    """The first application of each choice of arguments."""
    if len(applications) == 1:
        return [_directive(name, coerced(state, *applications[0]))]
    distinct: dict[Key, tuple[SubgraphSchema, Applied]] = {}
    for schema, applied in applications:
        distinct.setdefault(key(state, schema, applied), (schema, applied))
    return [_directive(name, coerced(state, *first)) for first in distinct.values()]


def _joined(
    state: MergeState, name: str, applications: Sequence[tuple[SubgraphSchema, Applied]]
) -> list[ConstDirectiveNode]:
    """`@join__directive`s: one for each choice of arguments, with the subgraphs that make it."""
    graphs: dict[Key, dict[str, Applied]] = {}
    for schema, applied in applications:
        graphs.setdefault(key(state, schema, applied), {}).setdefault(schema.graph, applied)
    result = []
    for having in graphs.values():
        written = given(next(iter(having.values())).node)
        fields = tuple(ConstObjectFieldNode(name=NameNode(value=k), value=v) for k, v in written.items())
        arguments: dict[str, ConstValueNode] = {
            "graphs": ConstListValueNode(values=tuple(EnumValueNode(value=graph) for graph in having)),
            "name": StringValueNode(value=f"federation__{name}", block=False),
            "args": ConstObjectValueNode(fields=fields),
        }
        result.append(_directive("join__directive", arguments))
    return result


def _most_frequent(
    state: MergeState, what: str, name: str, applications: Sequence[tuple[SubgraphSchema, Applied]]
) -> ConstDirectiveNode:
    if len(applications) == 1:
        return _directive(name, coerced(state, *applications[0]))
    same: dict[Key, list[tuple[SubgraphSchema, Applied]]] = {}
    for schema, applied in applications:
        same.setdefault(key(state, schema, applied), []).append((schema, applied))
    if len(same) > 1:
        state.hint(
            "INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS",
            f"@{name} on {what} has different arguments; the most frequent are kept.",
            "WARN",
            [(s, a.node) for s, a in applications],
        )
    most = max(same.values(), key=len)
    return _directive(name, coerced(state, *most[0]))


def _merge_federation(
    state: MergeState,
    what: str,
    name: str,
    composed: Composed,
    applications: Sequence[tuple[SubgraphSchema, Applied]],
    sources: Sequence[Source],
) -> list[ConstDirectiveNode]:
    local = state.composed.names[name]
    if composed.merge is Merge.EACH:
        return _distinct(state, local, applications)
    if composed.merge is Merge.ONCE:
        return [_directive(local, {})]
    if len(applications) == 1 or len({key(state, s, a) for s, a in applications}) == 1:
        return [_directive(local, coerced(state, *applications[0]))]
    state.hint(
        "MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS",
        f"@{name} on {what} has different arguments; they are merged.",
        "INFO",
        [(s, a.node) for s, a in applications],
    )
    values_of = [{n: value_from_ast_untyped(v) for n, v in coerced(state, s, a).items()} for s, a in applications]
    parameters = definition(name, composed.sdl).arguments or ()
    if composed.merge is Merge.ALL_REQUIRED:
        argument = parameters[0].name.value
        merged = conjunction([values.get(argument) or [[]] for values in values_of])
        return [_directive(local, {argument: value_node(merged)})]
    defaults = {
        p.name.value: value_from_ast_untyped(p.default_value) for p in parameters if p.default_value is not None
    }
    values: dict[str, Any] = {}
    for arguments in values_of:
        for argument, value in (defaults | arguments).items():
            values[argument] = _combine(values.get(argument), value)
    names = composed.names_arguments
    if names is not None and values.get(names) is not None:
        # an argument that a subgraph doesn't know is no argument of the supergraph's field
        known = [set(e.arguments) for _, e in sources if isinstance(e, FieldDef)]
        values[names] = [v for v in values[names] if all(v in arguments for arguments in known)]
    return [_directive(local, {k: value_node(v) for k, v in values.items()})]


def _combine(left: Any, right: Any) -> Any:
    """The costlier of two numbers, both of two lists, a switch only if both have it on."""
    if left is None or right is None:
        return right if left is None else left
    if isinstance(left, bool) and isinstance(right, bool):
        return left and right
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *(v for v in right if v not in left)]
    return max(left, right)
