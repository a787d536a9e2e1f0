"""A selection and an abstract type -> whether the answer depends on which of its types an object is of, for objects that nobody could tell the type of."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    is_abstract_type,
)

from gateway.executor.selection import Selections

Fragment: TypeAlias = FragmentSpreadNode | InlineFragmentNode


def _never(fragment: Fragment) -> bool:
    return False


class Typed:
    """Answers for one execution, each found once. `deferred` says of a fragment that what is in it comes later."""

    def __init__(self, selections: Selections, deferred: Callable[[Fragment], bool] = _never) -> None:
        self._selections = selections
        self._deferred = deferred
        self._found: dict[tuple[str, tuple[int, ...]], bool] = {}

    def matters(self, sets: Sequence[SelectionSetNode], kind: GraphQLNamedType) -> bool:
        """True where they select `__typename`, or a fragment applies to some of the types only."""
        key = (kind.name, tuple(map(id, sets)))
        found = self._found.get(key)
        if found is None:
            visited: set[tuple[str, bool]] = set()
            found = self._found[key] = any(self._look(one, kind, True, visited) for one in sets)
        return found

    def _look(
        self, selection_set: SelectionSetNode, kind: GraphQLNamedType, now: bool, visited: set[tuple[str, bool]]
    ) -> bool:
        """A `__typename` that isn't answered `now` may be known in time; whether a deferred fragment applies can't wait."""
        for node in selection_set.selections:
            if not self._selections.included(node):
                continue
            if isinstance(node, FieldNode):
                if now and node.name.value == "__typename":
                    return True
                continue
            assert isinstance(node, FragmentSpreadNode | InlineFragmentNode)
            inner_now = now and not self._deferred(node)
            if isinstance(node, InlineFragmentNode):
                condition = node.type_condition.name.value if node.type_condition else kind.name
                inner = node.selection_set
            else:
                fragment = self._selections.operation.fragments.get(node.name.value)
                if fragment is None or (node.name.value, inner_now) in visited:
                    continue
                visited.add((node.name.value, inner_now))
                condition, inner = fragment.type_condition.name.value, fragment.selection_set
            if self._selections.applies(condition, kind):
                if self._look(inner, kind, inner_now, visited):
                    return True
            elif _overlap(self._selections.schema, condition, kind):
                return True
        return False


def _overlap(schema: GraphQLSchema, condition: str, kind: GraphQLNamedType) -> bool:
    other = schema.get_type(condition)
    return other is not None and not _types(schema, other).isdisjoint(_types(schema, kind))


def _types(schema: GraphQLSchema, kind: GraphQLNamedType) -> set[str]:
    return {t.name for t in schema.get_possible_types(kind)} if is_abstract_type(kind) else {kind.name}
