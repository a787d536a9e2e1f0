"""An operation's `@defer` directives, numbered in document order, and which of them are on by the variables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    StringValueNode,
    VariableNode,
    Visitor,
)

from botberi_gateway.operation.visiting import visit_once

DEFER: Final = "defer"


@dataclass(frozen=True, slots=True)
class DeferDirective:
    """One directive in the document; one that is always off isn't listed.

    `variable` is its `if`, None where it is always on.
    """

    number: int
    label: str | None
    variable: str | None

    def is_on(self, variables: Mapping[str, Any]) -> bool:
        """Whether it is on by these variables: it is without a value, as its default says, and isn't by null."""
        return self.variable is None or variables.get(self.variable, True) is True


class Defers:
    """Looks up directives by their nodes. The document must live as long as this."""

    def __init__(self, document: DocumentNode) -> None:
        self._document = document
        self._by_node: dict[int, DeferDirective] = {}
        if document.loc is None or DEFER in document.loc.source.body:  # most have none, and a visit takes a while
            visit_once(document, _Finder(self._by_node))

    def __bool__(self) -> bool:
        return bool(self._by_node)

    def __iter__(self) -> Iterator[DeferDirective]:
        return iter(self._by_node.values())

    def of(self, node: FragmentSpreadNode | InlineFragmentNode) -> DeferDirective | None:
        """The directive at a fragment."""
        for directive in node.directives or ():
            if directive.name.value == DEFER:
                return self._by_node.get(id(directive))
        return None


class _Finder(Visitor):
    def __init__(self, by_node: dict[int, DeferDirective]) -> None:
        super().__init__()
        self.by_node = by_node

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value != DEFER:
            return
        arguments = {argument.name.value: argument.value for argument in node.arguments or ()}
        condition, label = arguments.get("if"), arguments.get("label")
        if isinstance(condition, BooleanValueNode) and not condition.value:
            return
        self.by_node[id(node)] = DeferDirective(
            len(self.by_node),
            label.value if isinstance(label, StringValueNode) else None,
            condition.name.value if isinstance(condition, VariableNode) else None,
        )
