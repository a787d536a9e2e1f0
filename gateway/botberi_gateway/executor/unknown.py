"""A selection and an abstract type -> whether the answer depends on the object's type.

It is asked for objects whose type no subgraph gave: where the answer doesn't depend on it, the type isn't needed.
"""

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

from botberi_gateway.executor.selection import Selections

Fragment: TypeAlias = FragmentSpreadNode | InlineFragmentNode


def _never(fragment: Fragment) -> bool:
    return False


class Typed:
    """Whether types matter in an execution, computed once for each selection.

    `deferred` says whether the fields of a fragment come later.
    """

    def __init__(self, selections: Selections, deferred: Callable[[Fragment], bool] = _never) -> None:
        self._selections = selections
        self._deferred = deferred
        self._answers: dict[tuple[str, tuple[int, ...], tuple[int, ...]], bool] = {}

    def matters(
        self, sets: Sequence[SelectionSetNode], kind: GraphQLNamedType, later: Sequence[SelectionSetNode] = ()
    ) -> bool:
        """Whether the selections have `__typename`, or for some of the types a field that they don't have for others.

        `later` are selections of which nothing is answered yet.
        """
        key = (kind.name, tuple(map(id, sets)), tuple(map(id, later)))
        matters = self._answers.get(key)
        if matters is None:
            look = _Look(self._selections, self._deferred, kind)
            types = _types(self._selections.schema, kind)
            for selection_set in sets:
                look.at(selection_set, types, always=True, now=True)
            for selection_set in later:
                look.at(selection_set, types, always=True, now=False)
            matters = self._answers[key] = look.decided or bool(look.later - look.common)
        return matters


class _Look:
    """A walk through a selection. `common` are leaves for every type, `later` deferred leaves for some types."""

    def __init__(self, selections: Selections, deferred: Callable[[Fragment], bool], kind: GraphQLNamedType) -> None:
        self.selections = selections
        self.deferred = deferred
        self.kind = kind
        self.decided = False
        self.common: set[str] = set()
        self.later: set[str] = set()
        self._visited: set[tuple[str, frozenset[str], bool, bool]] = set()

    def at(self, selection_set: SelectionSetNode, here: frozenset[str], *, always: bool, now: bool) -> None:
        """Walk through a selection set that applies to the types `here`.

        `always`: it applies to the abstract type itself; `now`: it isn't deferred. A fragment on the only type that an
        object can have isn't `always`: the object's type may be one that the API hides.
        """
        for node in selection_set.selections:
            if self.decided:
                return
            if not self.selections.included(node):
                continue
            if isinstance(node, FieldNode):
                self._field(node, always=always, now=now)
                continue
            assert isinstance(node, FragmentSpreadNode | InlineFragmentNode)
            inner_now = now and not self.deferred(node)
            if isinstance(node, InlineFragmentNode):
                condition, inner = node.type_condition, node.selection_set
            else:
                fragment = self.selections.operation.fragments.get(node.name.value)
                if fragment is None or (visit := (node.name.value, here, always, inner_now)) in self._visited:
                    continue
                self._visited.add(visit)
                condition, inner = fragment.type_condition, fragment.selection_set
            narrowed, applies = here, always
            if condition is not None and (other := self.selections.schema.get_type(condition.name.value)) is not None:
                narrowed = here & _types(self.selections.schema, other)
                applies = always and self.selections.applies(condition.name.value, self.kind)
            if narrowed:
                self.at(inner, narrowed, always=applies, now=inner_now)

    def _field(self, node: FieldNode, *, always: bool, now: bool) -> None:
        key = (node.alias or node.name).value
        if node.name.value == "__typename":
            # If it is deferred for every type, the type may be known in time.
            self.decided |= now or not always
        elif always:
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
