"""An operation and its fragments -> nothing, or `RequestError` where it is larger than `Limits` admit.

Counts are of the operation *after* fragments are expanded, computed once for each fragment and then multiplied, so that the check itself
is linear in the document (checks that expanded, or forgot to, are a known way to bring gateways down).
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

from botberi_gateway.errors import LIMIT_EXCEEDED, ErrorEntry, RequestError
from botberi_gateway.operation.repeats import Keys, Repeats
from botberi_gateway.operation.wording import bounded


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one document. The defaults admit what people write by hand and tools generate, and cost well under 0.1 s to check."""

    #: Characters of the document.
    max_characters: int = 100_000
    #: Tokens of the document. graphql-core takes about 20 µs for each.
    max_tokens: int = 4_000
    #: Nested fields; the usual introspection query has 13.
    max_depth: int = 25
    #: Fields with an alias, fragments expanded.
    max_aliases: int = 200
    #: Directives, fragments expanded.
    max_directives: int = 200
    #: Fields, fragments expanded.
    max_fields: int = 10_000
    #: Fields at the root, fragments expanded.
    max_root_fields: int = 100
    #: Mutations (distinct response keys at a mutation's root, fragments expanded), each of which a subgraph runs on its own.
    max_root_mutations: int = 10
    #: The same response key for one object in one selection set, fragments expanded (those on different object types apart): comparing
    #: repeats is what makes validation slow.
    max_repeats: int = 20
    #: Validation errors reported.
    max_errors: int = 20
    #: Whether `__schema` and `__type` may be asked for; `__typename` always may.
    allow_introspection: bool = True
    #: `fields`, `inputFields`, `interfaces` and `possibleTypes` in one another below `__schema` and `__type`, as graphql-js has
    #: it. The usual introspection queries have 1.
    max_introspection_lists: int = 2
    #: Fields in the answers to `__schema` and `__type` together, counted while they are made. Twice what the usual introspection
    #: query asks of the graph at hand is always admitted: 334,000 fields in a graph of 100 subgraphs and 2,500 types.
    max_introspection_fields: int = 100_000
    #: Objects in the answer, and fields, as `botberi_gateway.operation.cost` estimates them before anything is asked of subgraphs. Two
    #: pages of 100 in one another are 10,000 objects, which an answer may well have; three are a million, which is megabytes a request.
    max_cost: int = 100_000
    max_answer_fields: int = 1_000_000
    #: Items of a list whose length nothing tells beforehand, as the estimate has it.
    assumed_list_size: int = 10


#: For documents that the caller itself wrote: tests, command lines, trusted documents.
UNLIMITED = Limits(
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
    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], limits: Limits) -> None:
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
            if self.repeats.most(counts, self.limits.max_repeats) > self.limits.max_repeats:
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
        found = self.sizes[name] = self.selections(definition.selection_set)
        return found


def check_size(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    limits: Limits,
) -> None:
    """Raises `RequestError` with `LIMIT_EXCEEDED`."""
    measure = _Measure(schema, fragments, limits)
    size, keys = measure.selections(operation.selection_set)
    for name in fragments:
        measure.fragment(name)  # unused ones are validated too
    mutations = 0
    if operation.operation is OperationType.MUTATION:
        mutations = sum(key != "__typename" for key in keys)
    for what, found, limit in (
        ("levels of nested fields", size.depth, limits.max_depth),
        ("aliases", size.aliases, limits.max_aliases),
        ("directives", size.directives + len(operation.directives or ()), limits.max_directives),
        ("fields at the root", sum(sum(counts.values()) for counts in keys.values()), limits.max_root_fields),
        ("mutations in one operation", mutations, limits.max_root_mutations),
    ):
        if found > limit:
            raise refuse(what, limit)
