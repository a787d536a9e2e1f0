"""Selection sets with `@defer`, a runtime type -> the fields to answer now, and those to answer later, by the fragments they came in.

Follows the incremental delivery proposal: a field that is selected outside of every deferred fragment is answered at once, and
one that several fragments select is answered once, for all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    InlineFragmentNode,
    SelectionSetNode,
)

from botberi_gateway.executor.selection import Selections
from botberi_gateway.operation.defer import DeferDirective, Defers


@dataclass(frozen=True, slots=True, eq=False)
class DeferUsage:
    """A directive that is on, as one way through the fragments meets it; `parent` is the deferred fragment around it."""

    directive: DeferDirective
    parent: "DeferUsage | None"
    #: Numbers of this directive and of those around it.
    defers: frozenset[int]

    def above(self) -> "Iterator[DeferUsage]":
        here = self.parent
        while here is not None:
            yield here
            here = here.parent


@dataclass(frozen=True, slots=True)
class Detail:
    """A field node, and the deferred fragment that it came in."""

    node: FieldNode
    usage: DeferUsage | None


Details: TypeAlias = dict[str, list[Detail]]
UsageSet: TypeAlias = frozenset[DeferUsage]
#: Selection sets of merged fields, each with the deferred fragment that it came in.
SelectedSets: TypeAlias = tuple[tuple[SelectionSetNode, DeferUsage | None], ...]


@dataclass(frozen=True, slots=True)
class Split:
    """What becomes of an object's fields."""

    now: Details = field(default_factory=dict)
    later: dict[UsageSet, Details] = field(default_factory=dict)
    #: The deferred fragments that begin at this object.
    begun: list[DeferUsage] = field(default_factory=list)


class DeferredSelections:
    """Splits for one execution, each made once."""

    def __init__(self, selections: Selections, defers: Defers, variables: Mapping[str, Any]) -> None:
        self._selections = selections
        self._defers = defers
        self._variables = variables
        self._made: dict[tuple[str, tuple[tuple[int, DeferUsage | None], ...], UsageSet], Split] = {}

    def split(self, sets: SelectedSets, around: UsageSet, runtime_type: GraphQLNamedType) -> Split:
        """`around` are the fragments whose fields are being answered now."""
        key = (runtime_type.name, tuple((id(one), usage) for one, usage in sets), around)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = Split()
            groups: Details = {}
            visited: dict[str, set[DeferDirective | None]] = {}
            for selection_set, usage in sets:
                self._collect(selection_set, usage, runtime_type, groups, visited, made.begun)
            for response_key, details in groups.items():
                usages = _outermost(details)
                into = made.now if usages == around else made.later.setdefault(usages, {})
                into[response_key] = details
        return made

    def is_deferred(self, node: FragmentSpreadNode | InlineFragmentNode) -> bool:
        """Whether the fragment has a `@defer` that is on."""
        directive = self._defers.of(node)
        return directive is not None and directive.is_on(self._variables)

    def _collect(
        self,
        selection_set: SelectionSetNode,
        usage: DeferUsage | None,
        runtime_type: GraphQLNamedType,
        groups: Details,
        visited: dict[str, set[DeferDirective | None]],
        begun: list[DeferUsage],
    ) -> None:
        for node in selection_set.selections:
            if not self._selections.included(node):
                continue
            if isinstance(node, FieldNode):
                groups.setdefault((node.alias or node.name).value, []).append(Detail(node, usage))
                continue
            if isinstance(node, FragmentSpreadNode):
                fragment = self._selections.operation.fragments.get(node.name.value)
                if fragment is None or not self._selections.applies(fragment.type_condition.name.value, runtime_type):
                    continue
                inner = self._usage(node, usage)
                seen = visited.setdefault(node.name.value, set())
                mark = None if inner is None else inner.directive
                if None in seen or mark in seen:
                    continue
                seen.add(mark)
                below = fragment.selection_set
            else:
                assert isinstance(node, InlineFragmentNode)
                condition = node.type_condition
                if condition is not None and not self._selections.applies(condition.name.value, runtime_type):
                    continue
                inner = self._usage(node, usage)
                below = node.selection_set
            if inner is not None and inner is not usage:
                begun.append(inner)
            self._collect(below, inner, runtime_type, groups, visited, begun)

    def _usage(self, node: FragmentSpreadNode | InlineFragmentNode, around: DeferUsage | None) -> DeferUsage | None:
        directive = self._defers.of(node)
        if directive is None or not directive.is_on(self._variables):
            return around
        outer = frozenset() if around is None else around.defers
        return DeferUsage(directive, around, outer | {directive.number})


def _outermost(details: list[Detail]) -> UsageSet:
    """The fragments that a field waits for: none where it stands outside of all; a fragment within another of them doesn't count."""
    usages: dict[DeferUsage, None] = {}
    for detail in details:
        if detail.usage is None:
            return frozenset()
        usages[detail.usage] = None
    return frozenset(usage for usage in usages if not any(outer in usages for outer in usage.above()))
