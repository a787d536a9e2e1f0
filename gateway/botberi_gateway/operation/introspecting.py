"""`__schema` and `__type` at the root of an operation.

They are looked for in fragments too, and refused where introspection is off or its lists are nested too deep.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import GRAPHQL_VALIDATION_FAILED, ErrorEntry, RequestError
from botberi_gateway.operation.limits import refuse

#: The root fields that answer about the schema.
ROOTS: Final = frozenset(("__schema", "__type"))
#: The lists of the introspection schema through which types lead to types (as in graphql-js'
#: MaxIntrospectionDepthRule).
LISTS: Final = frozenset(("fields", "inputFields", "interfaces", "possibleTypes"))

Fragments = Mapping[str, FragmentDefinitionNode]


def introspection_roots(operation: OperationDefinitionNode, fragments: Fragments) -> Iterator[FieldNode]:
    """Each `__schema` and `__type` field of a query's root, those in fragments once."""
    if operation.operation is not OperationType.QUERY:
        return
    seen: set[str] = set()
    left: list[SelectionSetNode] = [operation.selection_set]
    while left:
        for node in left.pop().selections:
            if isinstance(node, FieldNode):
                if node.name.value in ROOTS:
                    yield node
            elif isinstance(node, InlineFragmentNode):
                left.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = fragments.get(node.name.value)
                if fragment is not None:
                    left.append(fragment.selection_set)


def check_introspection(operation: OperationDefinitionNode, fragments: Fragments, limits: OperationLimits) -> None:
    """Raises `RequestError`: introspection that is turned off, or that nests more lists than `limits` admit.

    Linear in the document.
    """
    depths = _Depths(fragments)
    for node in introspection_roots(operation, fragments):
        name = node.name.value
        if not limits.allow_introspection:
            place = node.loc and node.loc.source.get_location(node.loc.start)
            locations = [(place.line, place.column)] if place else []
            message = f"Introspection is turned off here: {name!r} can't be asked for."
            raise RequestError([ErrorEntry(message, GRAPHQL_VALIDATION_FAILED, locations=locations)])
        if node.selection_set is not None and depths.of(node.selection_set) > limits.max_introspection_lists:
            raise refuse("introspection lists in one another", limits.max_introspection_lists)


class _Depths:
    """How many of `LISTS` stand in one another below a selection set, computed once for each fragment."""

    def __init__(self, fragments: Fragments) -> None:
        self._fragments = fragments
        self._known: dict[str, int] = {}

    def of(self, selections: SelectionSetNode) -> int:
        max_depth = 0
        for node in selections.selections:
            if isinstance(node, FragmentSpreadNode):
                depth = self._of_fragment(node.name.value)
            elif isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
                depth = self.of(node.selection_set)
                if isinstance(node, FieldNode) and node.name.value in LISTS:
                    depth += 1
            else:
                continue
            max_depth = max(max_depth, depth)
        return max_depth

    def _of_fragment(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = 0  # a circle: validation says so
            fragment = self._fragments.get(name)
            if fragment is not None:
                self._known[name] = self.of(fragment.selection_set)
        return self._known[name]
