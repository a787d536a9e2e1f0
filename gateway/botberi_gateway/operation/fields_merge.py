"""The validation rule that fields in one selection set can merge, in time linear in the expanded operation.

GraphQL specification, section 5.3.2 Field Selection Merging. graphql-core compares every pair of fields (measured: a
request of 1,250 bytes costs a second). Here fields with equal response keys are grouped, a group is checked against its
first member, and the selections below a group are merged before going down, once for the shape of the answer (all
members) and once for names and arguments (members whose parents can be the same object). The idea is Simon Adameit's,
"An efficient algorithm for field merge validation", described for graphql-java and Sangria.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLOutputType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    get_named_type,
    is_interface_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    type_from_ast,
)

from botberi_gateway.operation.literals import arguments_text

#: Fields looked at over all groups; an operation within `OperationLimits` stays far below, and one that is built to be
#: slow is refused.
MAX_STEPS = 400_000

#: Parent type, field, its type in the schema.
_Selected: TypeAlias = tuple[GraphQLNamedType | None, FieldNode, GraphQLOutputType | None]
_Set: TypeAlias = tuple[SelectionSetNode, GraphQLNamedType | None]


class FieldsMergeRule(ValidationRule):
    """Reports the first conflict of each group."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._arguments: dict[int, str] = {}
        self._done: set[tuple[bool, frozenset[int]]] = set()
        self._reported: set[tuple[int, int]] = set()
        self._steps = 0

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Each operation brings in the fragments that it uses."""
        root = self.context.schema.get_root_type(node.operation)
        sets: list[_Set] = [(node.selection_set, root)]
        self._shapes(sets)
        self._names(sets)

    # Fields are collected from several selection sets at once; the same node comes once.
    def _collect(self, sets: Iterable[_Set]) -> dict[str, list[_Selected]]:
        selected: dict[str, list[_Selected]] = {}
        seen: set[tuple[int, str | None]] = set()
        stack = list(reversed(list(sets)))
        while stack:
            selection_set, parent = stack.pop()
            key_of_sets = (id(selection_set), parent.name if parent else None)
            if key_of_sets in seen:
                continue
            seen.add(key_of_sets)
            fields = parent.fields if is_object_type(parent) or is_interface_type(parent) else {}
            for selection in selection_set.selections:
                self._steps += 1
                if self._steps > MAX_STEPS:
                    raise GraphQLError("The operation's selections are too many to validate.", [selection_set])
                if isinstance(selection, FieldNode):
                    definition: GraphQLField | None = fields.get(selection.name.value)
                    key = selection.alias.value if selection.alias else selection.name.value
                    selected.setdefault(key, []).append((parent, selection, definition.type if definition else None))
                elif isinstance(selection, InlineFragmentNode):
                    narrowed = parent
                    if selection.type_condition:
                        narrowed = type_from_ast(self.context.schema, selection.type_condition)
                    stack.append((selection.selection_set, narrowed))
                elif isinstance(selection, FragmentSpreadNode):
                    fragment = self.context.get_fragment(selection.name.value)
                    if fragment is not None:
                        narrowed = type_from_ast(self.context.schema, fragment.type_condition)
                        stack.append((fragment.selection_set, narrowed))
        return selected

    def _below(self, fields: Iterable[_Selected]) -> list[_Set]:
        return [
            (node.selection_set, get_named_type(type_) if type_ is not None else None)
            for _, node, type_ in fields
            if node.selection_set is not None
        ]

    def _is_done(self, sets: Iterable[_Set], *, names: bool) -> bool:
        """Whether these selection sets have been checked, for their names or their shapes; notes that they have."""
        key_of_sets = (names, frozenset(id(selection_set) for selection_set, _ in sets))
        if key_of_sets in self._done:
            return True
        self._done.add(key_of_sets)
        return False

    def _shapes(self, sets: list[_Set]) -> None:
        """Check that a response key has one shape, whatever objects there are."""
        if self._is_done(sets, names=False):
            return
        for key, fields in self._collect(sets).items():
            typed = [f for f in fields if f[2] is not None]
            for other in typed[1:]:
                if not _same_shape(typed[0][2], other[2]):
                    self._report(key, typed[0][1], other[1], "they return conflicting types")
                    break
            below = self._below(fields)
            if len(below) > 0:
                self._shapes(below)

    def _names(self, sets: list[_Set]) -> None:
        """Check that for one object a response key is one field with one set of arguments."""
        if self._is_done(sets, names=True):
            return
        for key, fields in self._collect(sets).items():
            for group in _by_common_parent(fields):
                first = group[0][1]
                for _, node, _ in group[1:]:
                    if node.name.value != first.name.value:
                        self._report(key, first, node, "they are different fields")
                        break
                    if self._arguments_of(node) != self._arguments_of(first):
                        self._report(key, first, node, "they have differing arguments")
                        break
                below = self._below(group)
                if below:
                    self._names(below)

    def _arguments_of(self, node: FieldNode) -> str:
        if not node.arguments:
            return ""
        known = self._arguments.get(id(node))
        if known is None:
            known = self._arguments[id(node)] = arguments_text(node.arguments)
        return known

    def _report(self, key: str, node: FieldNode, other: FieldNode, why: str) -> None:
        pair = (id(node), id(other))
        if pair in self._reported:
            return
        self._reported.add(pair)
        message = f"Fields '{key}' conflict because {why}. Use different aliases on the fields to fetch both."
        self.report_error(GraphQLError(message, [node, other]))


def _by_common_parent(fields: list[_Selected]) -> list[list[_Selected]]:
    """Groups whose parents can be one object: fields of interfaces are in every group."""
    abstract = [f for f in fields if not is_object_type(f[0])]
    concrete: dict[str, list[_Selected]] = {}
    for field in fields:
        if is_object_type(field[0]):
            concrete.setdefault(field[0].name, []).append(field)
    if not concrete:
        return [abstract]
    return [own + abstract for own in concrete.values()]


def _same_shape(kind: Any, other: Any) -> bool:
    while True:
        if is_non_null_type(kind) or is_non_null_type(other):
            if not (is_non_null_type(kind) and is_non_null_type(other)):
                return False
        elif is_list_type(kind) or is_list_type(other):
            if not (is_list_type(kind) and is_list_type(other)):
                return False
        else:
            break
        kind, other = kind.of_type, other.of_type
    if is_leaf_type(kind) or is_leaf_type(other):
        return kind is other
    return True
