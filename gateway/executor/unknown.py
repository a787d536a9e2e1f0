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
        """True where they select `__typename`, or for some of the types what others don't have."""
        key = (kind.name, tuple(map(id, sets)))
        found = self._found.get(key)
        if found is None:
            look = _Look(self._selections, self._deferred, _types(self._selections.schema, kind))
            for one in sets:
                look.at(one, look.every, True)
            found = self._found[key] = look.decided or bool(look.later - look.common)
        return found


class _Look:
    """One look. `common` are the leaves of every type, `later` those that a deferred fragment has for some of them."""

    def __init__(self, selections: Selections, deferred: Callable[[Fragment], bool], every: frozenset[str]) -> None:
        self.selections = selections
        self.deferred = deferred
        self.every = every
        self.decided = False
        self.common: set[str] = set()
        self.later: set[str] = set()
        self._visited: set[tuple[str, frozenset[str], bool]] = set()

    def at(self, selection_set: SelectionSetNode, here: frozenset[str], now: bool) -> None:
        """`here` are the types that the selection applies to; `now` says that it isn't deferred."""
        for node in selection_set.selections:
            if self.decided:
                return
            if not self.selections.included(node):
                continue
            if isinstance(node, FieldNode):
                self._field(node, here, now)
                continue
            assert isinstance(node, FragmentSpreadNode | InlineFragmentNode)
            inner_now = now and not self.deferred(node)
            if isinstance(node, InlineFragmentNode):
                condition, inner = node.type_condition, node.selection_set
            else:
                fragment = self.selections.operation.fragments.get(node.name.value)
                if fragment is None or (node.name.value, here, inner_now) in self._visited:
                    continue
                self._visited.add((node.name.value, here, inner_now))
                condition, inner = fragment.type_condition, fragment.selection_set
            narrowed = here
            if condition is not None and (other := self.selections.schema.get_type(condition.name.value)) is not None:
                narrowed = here & _types(self.selections.schema, other)
            if narrowed:
                self.at(inner, narrowed, inner_now)

    def _field(self, node: FieldNode, here: frozenset[str], now: bool) -> None:
        key = (node.alias or node.name).value
        if node.name.value == "__typename":
            # Deferred, it may be known in time.
            self.decided |= now
        elif here == self.every:
            if node.selection_set is None:
                self.common.add(key)
        elif node.selection_set is not None:
            self.decided = True
        elif now:
            # The order of keys depends on the type where the others have the field later.
            self.decided |= key not in self.common
        else:
            self.later.add(key)


def _types(schema: GraphQLSchema, kind: GraphQLNamedType) -> frozenset[str]:
    return (
        frozenset(t.name for t in schema.get_possible_types(kind))
        if is_abstract_type(kind)
        else frozenset((kind.name,))
    )
