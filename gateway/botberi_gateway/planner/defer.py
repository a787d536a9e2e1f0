"""An operation's deferred fragments and the nodes that are deferred -> `Defer`."""

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
from botberi_gateway.planner.emitter import DeferredNodes

_ITEMS = ListItems()
_NOTHING = DeferredNodes()


@dataclass(frozen=True, slots=True)
class _Fragment:
    """A fragment with `@defer` at one place of the answer."""

    directive: DeferDirective
    #: The `@defer`s that it stands in, its own among them.
    defers: frozenset[int]
    path: Path
    selection: SelectionSetNode


def with_deferred(
    primary: PlanNode | None,
    deferred: Mapping[frozenset[int], DeferredNodes],
    operation: Operation,
    defers: Defers,
) -> PlanNode | None:
    """A part for each deferred fragment of the operation.

    Where a fragment stands at several places, the first has the fetches of all.
    """
    finder = _Finder(operation, defers)
    root = operation.schema.get_root_type(operation.definition.operation)
    finder.look(operation.selection_set, root, (), frozenset())
    remaining = dict(deferred)
    parts = []
    for fragment in sorted(finder.fragments, key=lambda fragment: len(fragment.defers)):  # a part needs outer ones only
        nodes = remaining.pop(fragment.defers, _NOTHING)
        parts.append(
            DeferredPart(
                fragment.defers,
                fragment.directive.label,
                fragment.path,
                print_ast(fragment.selection),
                tuple(nodes.depends),
                _together(nodes.nodes),
                fragment.directive.variable,
            )
        )
    # What two fragments share and neither contains: it waits for what is around both.
    for numbers, nodes in remaining.items():
        parts.append(DeferredPart(numbers, None, (), "", tuple(nodes.depends), _together(nodes.nodes)))
    parts.sort(key=lambda part: len(part.defers))
    return Defer(primary, tuple(parts)) if parts else primary


def _together(nodes: list[PlanNode]) -> PlanNode | None:
    """All of them at once."""
    if len(nodes) <= 1:
        return nodes[0] if nodes else None
    return Parallel(tuple(nodes))


class _Finder:
    """Collects the deferred fragments of one operation, in the order of the document."""

    def __init__(self, operation: Operation, defers: Defers) -> None:
        self.operation = operation
        self.defers = defers
        self.fragments: list[_Fragment] = []

    def look(
        self, selections: SelectionSetNode, parent: GraphQLNamedType | None, path: Path, around: frozenset[int]
    ) -> None:
        """Look through selections of objects of type `parent` at this place, within the `@defer`s `around`."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                if node.selection_set is not None:
                    key = (node.alias or node.name).value
                    below, lists = self._type_of(parent, node.name.value)
                    self.look(node.selection_set, below, (*path, key, *lists), around)
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
                    self.fragments.append(_Fragment(directive, within, path, inner))
            self.look(inner, self.operation.schema.get_type(condition) if condition else parent, path, within)

    def _type_of(self, parent: GraphQLNamedType | None, field: str) -> tuple[GraphQLNamedType | None, Path]:
        """The field's named type, and a path element for each level of lists."""
        if not (is_object_type(parent) or is_interface_type(parent)) or field not in parent.fields:
            return None, ()
        kind: GraphQLOutputType = parent.fields[field].type
        lists: Path = ()
        while is_list_type(kind) or is_non_null_type(kind):
            lists += (_ITEMS,) if is_list_type(kind) else ()
            kind = kind.of_type
        return kind, lists  # type: ignore[return-value]
