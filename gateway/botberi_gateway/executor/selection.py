"""A client's selection sets, variables and a runtime type -> the fields to answer.

They have the order of the GraphQL specification, section 6.3.2.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
    is_object_type,
)

from botberi_gateway.operation import Operation

#: Response key -> the field nodes that are merged under it.
FieldGroups: TypeAlias = dict[str, list[FieldNode]]


class Selections:
    """Collects the fields of an execution's selections, each selection once."""

    def __init__(self, operation: Operation, variables: Mapping[str, Any]) -> None:
        self.operation = operation
        self.schema: GraphQLSchema = operation.schema
        self._variables = variables
        self._collected: dict[tuple[str, tuple[int, ...]], FieldGroups] = {}
        #: Response keys from the root -> how many of them the client selects.
        self._known_keys: dict[tuple[str, ...], int] = {}

    def fields(self, sets: Sequence[SelectionSetNode], runtime_type: GraphQLNamedType) -> FieldGroups:
        """The fields of merged selection sets, for an object type, or an interface if no more is known of the type."""
        key = (runtime_type.name, tuple(map(id, sets)))
        groups = self._collected.get(key)
        if groups is None:
            groups = self._collected[key] = {}
            visited: set[str] = set()
            for selection_set in sets:
                self._collect(selection_set, runtime_type, groups, visited)
        return groups

    def _collect(
        self, selection_set: SelectionSetNode, runtime_type: GraphQLNamedType, groups: FieldGroups, visited: set[str]
    ) -> None:
        for node in selection_set.selections:
            if not self.included(node):
                continue
            if isinstance(node, FieldNode):
                groups.setdefault((node.alias or node.name).value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self.applies(node.type_condition.name.value, runtime_type):
                    self._collect(node.selection_set, runtime_type, groups, visited)
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                fragment = self.operation.fragments.get(name)
                if fragment is None or name in visited:
                    continue
                visited.add(name)
                if self.applies(fragment.type_condition.name.value, runtime_type):
                    self._collect(fragment.selection_set, runtime_type, groups, visited)

    def applies(self, condition: str, runtime_type: GraphQLNamedType) -> bool:
        """Whether a fragment on `condition` applies; to an interface only if it applies to each of its types."""
        if condition == runtime_type.name:
            return True
        kind = self.schema.get_type(condition)
        if kind is None or not is_abstract_type(kind):
            return False
        if is_object_type(runtime_type):
            return self.schema.is_sub_type(kind, runtime_type)
        if is_abstract_type(runtime_type):
            return all(self.schema.is_sub_type(kind, t) for t in self.schema.get_possible_types(runtime_type))
        return False

    def included(self, node: SelectionNode) -> bool:
        """Whether `@skip` and `@include` keep the node, by the variables."""
        for directive in node.directives or ():
            if directive.name.value == "skip" and self._condition(directive):
                return False
            if directive.name.value == "include" and not self._condition(directive):
                return False
        return True

    def _condition(self, directive: DirectiveNode) -> bool:
        for argument in directive.arguments or ():
            if argument.name.value == "if":
                if isinstance(argument.value, VariableNode):
                    return self._variables.get(argument.value.name.value) is True
                return bool(getattr(argument.value, "value", False))
        return False

    def known_part(self, path: Sequence[str | int]) -> tuple[str | int, ...]:
        """An error's path, cut where the client's own selection ends: fields below are selected by the plan only."""
        keys = tuple([element for element in path if not isinstance(element, int)])
        known = self._known_keys.get(keys)
        if known is None:
            known = self._known_keys[keys] = self._count_known(keys)
        if known == len(keys):
            return tuple(path)
        end, left = 0, known
        for element in path:
            if not isinstance(element, int):
                if not left:
                    break
                left -= 1
            end += 1
        return tuple(path[:end])

    def _count_known(self, keys: Sequence[str]) -> int:
        """How many of the response keys from the root on the client selects."""
        sets: list[SelectionSetNode] = [self.operation.selection_set]
        for count, key in enumerate(keys):
            nodes = [n for s in sets for n in self._all_fields(s, set()) if (n.alias or n.name).value == key]
            if not nodes:
                return count
            sets = [n.selection_set for n in nodes if n.selection_set is not None]
        return len(keys)

    def _all_fields(self, selection_set: SelectionSetNode, visited: set[str]) -> Iterator[FieldNode]:
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._all_fields(node.selection_set, visited)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in visited:
                visited.add(node.name.value)
                if (fragment := self.operation.fragments.get(node.name.value)) is not None:
                    yield from self._all_fields(fragment.selection_set, visited)
