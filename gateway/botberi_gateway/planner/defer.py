"""An operation's deferred fragments and the requests under them -> `Defer`."""

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLOutputType,
    InlineFragmentNode,
    SelectionSetNode,
    is_interface_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    print_ast,
)

from botberi_gateway.operation import Operation
from botberi_gateway.operation.defer import DeferDirective, Defers
from botberi_gateway.plan import Defer, DeferredPart, ListItems, Parallel, Path, PlanNode
from botberi_gateway.planner.emit import Deferred

_ITEMS = ListItems()
_NOTHING = Deferred()


@dataclass(frozen=True, slots=True)
class _Fragment:
    directive: DeferDirective
    defers: frozenset[int]
    path: Path
    selection: SelectionSetNode


def with_deferred(
    primary: PlanNode | None,
    deferred: Mapping[frozenset[int], Deferred],
    operation: Operation,
    defers: Defers,
) -> PlanNode | None:
    """A part for each deferred fragment of the operation. Where one stands at several places, the first has the requests of all."""
    finder = _Finder(operation, defers)
    finder.look(
        operation.selection_set, operation.schema.get_root_type(operation.definition.operation), (), frozenset()
    )
    left = dict(deferred)
    parts = []
    for one in sorted(finder.found, key=lambda fragment: len(fragment.defers)):  # a part needs only outer ones
        requests = left.pop(one.defers, _NOTHING)
        parts.append(
            DeferredPart(
                one.defers,
                one.directive.label,
                one.path,
                print_ast(one.selection),
                tuple(requests.depends),
                _together(requests.nodes),
                one.directive.variable,
            )
        )
    # What two fragments share and neither contains: it waits for what is around both.
    for numbers, requests in left.items():
        parts.append(DeferredPart(numbers, None, (), "", tuple(requests.depends), _together(requests.nodes)))
    parts.sort(key=lambda part: len(part.defers))
    return Defer(primary, tuple(parts)) if parts else primary


def _together(nodes: list[PlanNode]) -> PlanNode | None:
    if len(nodes) <= 1:
        return nodes[0] if nodes else None
    return Parallel(tuple(nodes))


class _Finder:
    def __init__(self, operation: Operation, defers: Defers) -> None:
        self.operation = operation
        self.defers = defers
        self.found: list[_Fragment] = []

    def look(
        self, selections: SelectionSetNode, parent: GraphQLNamedType | None, path: Path, around: frozenset[int]
    ) -> None:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                if node.selection_set is not None:
                    key = (node.alias or node.name).value
                    below, step = self._below(parent, node.name.value)
                    self.look(node.selection_set, below, (*path, key, *step), around)
                continue
            if isinstance(node, FragmentSpreadNode):
                fragment = self.operation.fragments[node.name.value]
                condition, inner = fragment.type_condition.name.value, fragment.selection_set
            else:
                assert isinstance(node, InlineFragmentNode)
                condition = node.type_condition.name.value if node.type_condition else ""
                inner = node.selection_set
            directive = self.defers.of(node)
            within = around
            if directive is not None:
                within = around | {directive.number}
                if within != around:
                    self.found.append(_Fragment(directive, within, path, inner))
            self.look(inner, self.operation.schema.get_type(condition) if condition else parent, path, within)

    def _below(self, parent: GraphQLNamedType | None, name: str) -> tuple[GraphQLNamedType | None, Path]:
        if not (is_object_type(parent) or is_interface_type(parent)) or name not in parent.fields:
            return None, ()
        kind: GraphQLOutputType = parent.fields[name].type
        step: Path = ()
        while is_list_type(kind) or is_non_null_type(kind):
            step += (_ITEMS,) if is_list_type(kind) else ()
            kind = kind.of_type
        return kind, step  # type: ignore[return-value]
