"""One type in several subgraphs -> what every kind of type shares: joins, description, directives."""

from collections.abc import Sequence

from graphql import ConstArgumentNode, ConstDirectiveNode, NameNode, StringValueNode

from botberi_gateway.composition.merge.context import context_name
from botberi_gateway.composition.merge.descriptions import merge_description
from botberi_gateway.composition.merge.directives import merge_directives
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.subgraph import Element, SubgraphSchema, TypeDef
from botberi_gateway.supergraph import JoinType

Owners = Sequence[tuple[SubgraphSchema, TypeDef]]


def type_joins(owners: Owners) -> tuple[JoinType, ...]:
    """One for each subgraph and key."""
    joins = []
    for schema, type_ in owners:
        is_object = type_.is_interface_object
        if not type_.keys:
            joins.append(JoinType(schema.graph, is_interface_object=is_object))
        for key in type_.keys:
            joins.append(
                JoinType(
                    schema.graph,
                    key=key.field_set(),
                    extension=(key.on_extension and (type_.defined or not schema.was_upgraded)) or type_.has("extends"),
                    resolvable=key.arguments.get("resolvable") is not False,
                    is_interface_object=is_object,
                )
            )
    return tuple(joins)


def type_description(state: MergeState, name: str, owners: Owners) -> str | None:
    return merge_description(state, f'"{name}"', _elements(owners))


def type_directives(state: MergeState, name: str, owners: Owners) -> tuple[ConstDirectiveNode, ...]:
    directives = merge_directives(state, f'"{name}"', _elements(owners))
    local = state.composed.names.get("context")
    if local is None:
        return directives
    contexts = []
    for schema, type_ in owners:
        for applied in type_.applied("context"):
            value = StringValueNode(value=context_name(schema, applied.text("name") or ""), block=False)
            argument = ConstArgumentNode(name=NameNode(value="name"), value=value)
            contexts.append(ConstDirectiveNode(name=NameNode(value=local), arguments=(argument,)))
    return (*directives, *contexts)


def _elements(owners: Owners) -> list[tuple[SubgraphSchema, Element]]:
    return [(s, t) for s, t in owners]
