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
)

from gateway.composition.merge.access import conjunction
from gateway.composition.merge.state import MergeState
from gateway.composition.subgraph import Applied, Element, FieldDef, SubgraphSchema
from gateway.federation.directives import JOINED
from gateway.federation.printed import printed
from gateway.supergraph.values import value_node

Source = tuple[SubgraphSchema, Element]
#: Directives of GraphQL itself that are merged under their own names.
_GRAPHQL = ("deprecated", "specifiedBy")
_FEDERATION = ("inaccessible", "tag", "authenticated", "requiresScopes", "policy", "cost", "listSize")
_JOINED = tuple(feature.directive for feature in JOINED)


def merge_directives(state: MergeState, what: str, sources: Sequence[Source]) -> tuple[ConstDirectiveNode, ...]:
    """In a fixed order: GraphQL's own, the federation's, the subgraphs' own by name."""
    found: list[ConstDirectiveNode] = []
    by_name: dict[tuple[bool, str], list[tuple[SubgraphSchema, Applied]]] = {}
    for schema, element in sources:
        for applied in element.directives:
            by_name.setdefault((applied.federation, applied.name), []).append((schema, applied))
    if not by_name:
        return ()
    for name in _FEDERATION:
        applications = by_name.get((True, name))
        if applications and name in state.composed.names:
            found += _merge_federation(state, what, name, applications, sources)
    for name in _JOINED:
        found += _joined(name, by_name.get((True, name), ()))
    for name in _GRAPHQL:
        applications = by_name.get((False, name))
        if applications:
            found.append(_most_frequent(state, what, name, applications))
    for federation, name in sorted(by_name):
        custom = state.composed.custom.get(name)
        if federation or custom is None:
            continue
        applications = [(s, a) for s, a in by_name[federation, name] if s.name in custom.subgraphs]
        if not applications:
            continue
        if custom.definition.repeatable:
            found += _distinct(name, applications)
        else:
            found.append(_most_frequent(state, what, name, applications))
    return tuple(found)


def _directive(name: str, arguments: dict[str, ConstValueNode]) -> ConstDirectiveNode:
    return ConstDirectiveNode(
        name=NameNode(value=name),
        arguments=tuple(ConstArgumentNode(name=NameNode(value=k), value=v) for k, v in arguments.items()),
    )


def _arguments(applied: Applied) -> dict[str, ConstValueNode]:
    return {a.name.value: a.value for a in applied.node.arguments or ()}


def _key(applied: Applied) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, printed(value)) for name, value in _arguments(applied).items()))


def _distinct(name: str, applications: Sequence[tuple[SubgraphSchema, Applied]]) -> list[ConstDirectiveNode]:
    distinct = {_key(applied): applied for _, applied in reversed(applications)}
    ordered = sorted(distinct, key=lambda k: next(i for i, (_, a) in enumerate(applications) if _key(a) == k))
    return [_directive(name, _arguments(distinct[key])) for key in ordered]


def _joined(name: str, applications: Sequence[tuple[SubgraphSchema, Applied]]) -> list[ConstDirectiveNode]:
    """`@join__directive`s: one for each choice of arguments, with the subgraphs that make it."""
    graphs: dict[tuple[tuple[str, str], ...], dict[str, Applied]] = {}
    for schema, applied in applications:
        graphs.setdefault(_key(applied), {}).setdefault(schema.graph, applied)
    found = []
    for having in graphs.values():
        given = _arguments(next(iter(having.values())))
        fields = tuple(ConstObjectFieldNode(name=NameNode(value=k), value=v) for k, v in given.items())
        arguments: dict[str, ConstValueNode] = {
            "graphs": ConstListValueNode(values=tuple(EnumValueNode(value=graph) for graph in having)),
            "name": StringValueNode(value=f"federation__{name}", block=False),
            "args": ConstObjectValueNode(fields=fields),
        }
        found.append(_directive("join__directive", arguments))
    return found


def _most_frequent(
    state: MergeState, what: str, name: str, applications: Sequence[tuple[SubgraphSchema, Applied]]
) -> ConstDirectiveNode:
    counts: dict[tuple[tuple[str, str], ...], int] = {}
    for _, applied in applications:
        counts[_key(applied)] = counts.get(_key(applied), 0) + 1
    if len(counts) > 1:
        state.hint(
            "INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS",
            f"@{name} on {what} has different arguments; the most frequent are kept.",
            "WARN",
            [(s, a.node) for s, a in applications],
        )
    best = max(counts, key=lambda key: counts[key])
    chosen = next(a for _, a in applications if _key(a) == best)
    return _directive(name, _arguments(chosen))


def _merge_federation(
    state: MergeState,
    what: str,
    name: str,
    applications: Sequence[tuple[SubgraphSchema, Applied]],
    sources: Sequence[Source],
) -> list[ConstDirectiveNode]:
    local = state.composed.names[name]
    if name == "tag":
        return _distinct(local, applications)
    if name in ("inaccessible", "authenticated"):
        return [_directive(local, {})]
    if len({_key(a) for _, a in applications}) == 1:
        return [_directive(local, _arguments(applications[0][1]))]
    state.hint(
        "MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS",
        f"@{name} on {what} has different arguments; they are merged.",
        "INFO",
        [(s, a.node) for s, a in applications],
    )
    if name in ("requiresScopes", "policy"):
        argument = "scopes" if name == "requiresScopes" else "policies"
        merged = conjunction([a.arguments.get(argument) or [[]] for _, a in applications])
        return [_directive(local, {argument: value_node(merged)})]
    values: dict[str, Any] = {}
    defaults = {"requireOneSlicingArgument": True} if name == "listSize" else {}
    for _, applied in applications:
        for argument, value in (defaults | applied.arguments).items():
            values[argument] = _combine(values.get(argument), value)
    if (
        "slicingArguments" in values
    ):  # an argument that a subgraph doesn't know is no argument of the supergraph's field
        known = [set(e.arguments) for _, e in sources if isinstance(e, FieldDef)]
        values["slicingArguments"] = [v for v in values["slicingArguments"] if all(v in names for names in known)]
    return [_directive(local, {k: value_node(v) for k, v in values.items()})]


def _combine(one: Any, other: Any) -> Any:
    """The costlier of two numbers, both of two lists, a switch only if both have it on."""
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, bool) and isinstance(other, bool):
        return one and other
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *(v for v in other if v not in one)]
    return max(one, other)
