"""Selection sets with `@defer`, a runtime type -> the fields to answer now, and later ones by their deferred fragments.

By the incremental delivery proposal: a field that is selected outside of every deferred fragment is answered at once; a
field that several fragments select is answered once, for all of them.
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
    """A `@defer` that is on, reached on a path through the fragments; `parent` is the deferred fragment around it."""

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
    """An object's fields, divided into those to answer now and later."""

    now: Details = field(default_factory=dict)
    later: dict[UsageSet, Details] = field(default_factory=dict)
    #: The deferred fragments that begin at this object.
    begun: list[DeferUsage] = field(default_factory=list)


class DeferredSelections:
    """Divides the selections of an execution, each of them once."""

    def __init__(self, selections: Selections, defers: Defers, variables: Mapping[str, Any]) -> None:
        self._selections = selections
        self._defers = defers
        self._variables = variables
        self._splits: dict[tuple[str, tuple[tuple[int, DeferUsage | None], ...], UsageSet], Split] = {}

    def split(self, sets: SelectedSets, around: UsageSet, runtime_type: GraphQLNamedType) -> Split:
        """`around` are the fragments whose fields are being answered now."""
        key = (runtime_type.name, tuple((id(selection_set), usage) for selection_set, usage in sets), around)
        division = self._splits.get(key)
        if division is None:
            division = self._splits[key] = Split()
            groups: Details = {}
            visited: dict[str, set[DeferDirective | None]] = {}
            for selection_set, usage in sets:
                self._collect(selection_set, usage, runtime_type, groups, visited, division.begun)
            for response_key, details in groups.items():
                usages = _outermost(details)
                into = division.now if usages == around else division.later.setdefault(usages, {})
                into[response_key] = details
        return division

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
    """The fragments that a field waits for: none for a field outside of all, and none within another of them."""
    usages: dict[DeferUsage, None] = {}
    for detail in details:
        if detail.usage is None:
            return frozenset()
        usages[detail.usage] = None
    return frozenset(usage for usage in usages if not any(outer in usages for outer in usage.above()))
