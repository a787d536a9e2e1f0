"""An operation and its fragments -> nothing, or `RequestError` where it is larger than `OperationLimits` admit.

Counts are of the operation *after* fragments are expanded, computed once for each fragment and then multiplied, so that
the check itself is linear in the document (checks that expanded, or forgot to, are a known way to bring gateways down).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import LIMIT_EXCEEDED, ErrorEntry, RequestError
from botberi_gateway.operation.repeats import Keys, Repeats
from botberi_gateway.operation.wording import bounded

#: For documents that the caller itself wrote: tests, command lines, trusted documents.
UNLIMITED = OperationLimits(
    max_characters=10_000_000,
    max_tokens=1_000_000,
    max_depth=150,
    max_aliases=1_000_000,
    max_directives=1_000_000,
    max_fields=200_000,
    max_root_fields=100_000,
    max_root_mutations=100_000,
    max_introspection_lists=150,
    max_introspection_fields=100_000_000,
    max_cost=1_000_000_000_000,
    max_answer_fields=1_000_000_000_000,
    max_repeats=10_000,
)


def refuse(what: str, limit: int, code: str = LIMIT_EXCEEDED) -> RequestError:
    """The error for what exceeds a limit."""
    return RequestError([ErrorEntry(f"The operation exceeds the limit of {limit} {what}.", code)])


@dataclass(slots=True)
class _Size:
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    depth: int = 0

    def add(self, other: "_Size", below: int = 0) -> None:
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.depth = max(self.depth, other.depth + below)


class _Measure:
    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], limits: OperationLimits
    ) -> None:
        self.fragments = fragments
        self.limits = limits
        self.sizes: dict[str, tuple[_Size, Keys] | None] = {}
        self.repeats = Repeats(schema)

    def selections(self, node: SelectionSetNode) -> tuple[_Size, Keys]:
        """Size, and how often each response key stands at the first level."""
        size, keys = _Size(), Keys()
        for selection in node.selections:
            size.directives += len(selection.directives or ())
            if isinstance(selection, FieldNode):
                size.fields += 1
                size.depth = max(size.depth, 1)
                key = selection.name.value
                if selection.alias:
                    size.aliases += 1
                    key = selection.alias.value
                counts = keys.setdefault(key, {})
                counts[None] = counts.get(None, 0) + 1
                if selection.selection_set:
                    size.add(self.selections(selection.selection_set)[0], 1)
                continue
            if isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments.get(selection.name.value)
                condition = fragment.type_condition.name.value if fragment is not None else None
                inner = self.fragment(selection.name.value)
            else:
                assert isinstance(selection, InlineFragmentNode)
                condition = selection.type_condition.name.value if selection.type_condition else None
                inner = self.selections(selection.selection_set)
            size.add(inner[0])
            self.repeats.add(keys, inner[1], condition)
        if size.fields > self.limits.max_fields:
            raise refuse("fields", self.limits.max_fields)
        for key, counts in keys.items():
            if self.repeats.max_for_one_object(counts, self.limits.max_repeats) > self.limits.max_repeats:
                raise refuse(f"repeats of one response key ({bounded(key)!r})", self.limits.max_repeats)
        return size, keys

    def fragment(self, name: str) -> tuple[_Size, Keys]:
        if name in self.sizes:
            known = self.sizes[name]
            if known is None:  # a circle: validation says so
                return _Size(), {}
            return known
        definition = self.fragments.get(name)
        if definition is None:
            return _Size(), {}
        self.sizes[name] = None
        size = self.sizes[name] = self.selections(definition.selection_set)
        return size


def check_size(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    limits: OperationLimits,
) -> None:
    """Raises `RequestError` with `LIMIT_EXCEEDED`."""
    measure = _Measure(schema, fragments, limits)
    size, keys = measure.selections(operation.selection_set)
    for name in fragments:
        measure.fragment(name)  # unused ones are validated too
    mutations = 0
    if operation.operation is OperationType.MUTATION:
        mutations = sum(key != "__typename" for key in keys)
    for what, value, limit in (
        ("levels of nested fields", size.depth, limits.max_depth),
        ("aliases", size.aliases, limits.max_aliases),
        ("directives", size.directives + len(operation.directives or ()), limits.max_directives),
        ("fields at the root", sum(sum(counts.values()) for counts in keys.values()), limits.max_root_fields),
        ("mutations in one operation", mutations, limits.max_root_mutations),
    ):
        if value > limit:
            raise refuse(what, limit)
