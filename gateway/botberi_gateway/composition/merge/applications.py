"""An applied directive and its definition -> its arguments as values.

An argument that is left out has its default; a single item for a list is a list of it.
"""

from collections.abc import Hashable
from functools import cache

from graphql import (
    ConstDirectiveNode,
    ConstValueNode,
    DirectiveDefinitionNode,
    InputValueDefinitionNode,
    NullValueNode,
)

from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.subgraph import Applied, SubgraphSchema
from botberi_gateway.federation.directives import DIRECTIVES
from botberi_gateway.federation.literals import comparable, with_lists
from botberi_gateway.federation.specified import GRAPHQL_DIRECTIVES, definition

#: Arguments as values, by name; equal for applications that mean the same.
Key = frozenset[tuple[str, Hashable]]


@cache
def _known_definition(name: str, *, federation: bool) -> DirectiveDefinitionNode | None:
    if not federation:
        return definition(name, GRAPHQL_DIRECTIVES[name]) if name in GRAPHQL_DIRECTIVES else None
    directive = DIRECTIVES.get(name)
    return None if directive is None else definition(name, directive.definitions[-1].sdl)


def _definition(state: MergeState, schema: SubgraphSchema, applied: Applied) -> DirectiveDefinitionNode | None:
    """The subgraph's own for a custom directive, the specification's for any other."""
    specified = _known_definition(applied.name, federation=applied.federation)
    if specified is not None:
        return specified
    local = schema.directive_definitions.get(applied.name)
    custom = state.composed.custom.get(applied.name)
    return local if local is not None or custom is None else custom.definition


def _parameters(node: DirectiveDefinitionNode | None) -> dict[str, InputValueDefinitionNode]:
    return {} if node is None else {a.name.value: a for a in node.arguments or ()}


def key(state: MergeState, schema: SubgraphSchema, applied: Applied) -> Key:
    """Equal for two applications in which every argument has the same value, given or by default."""
    parameters = _parameters(_definition(state, schema, applied))
    values: dict[str, ConstValueNode] = {
        name: parameter.default_value
        for name, parameter in parameters.items()
        if parameter.default_value is not None and not isinstance(parameter.default_value, NullValueNode)
    }
    values |= given(applied.node)
    return frozenset(
        (name, comparable(value, parameters[name].type if name in parameters else None, schema.input_field_types))
        for name, value in values.items()
    )


def given(node: ConstDirectiveNode) -> dict[str, ConstValueNode]:
    """The arguments as they are written."""
    return {a.name.value: a.value for a in node.arguments or ()}


def coerced(state: MergeState, schema: SubgraphSchema, applied: Applied) -> dict[str, ConstValueNode]:
    """The arguments that are given, with lists where the definition wants lists."""
    parameters = _parameters(_definition(state, schema, applied))
    return {
        name: with_lists(value, parameters[name].type, schema.input_field_types) if name in parameters else value
        for name, value in given(applied.node).items()
    }
