"""Arguments and directives -> the names of the variables in them."""

from collections.abc import Iterable

from graphql import ArgumentNode, DirectiveNode, VariableNode, Visitor, visit


class _VariableNames(Visitor):
    """Collects the names of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.add(node.name.value)


def variables_of(nodes: Iterable[ArgumentNode | DirectiveNode]) -> frozenset[str]:
    """The names of the variables in arguments and directives."""
    visitor = _VariableNames()
    for node in nodes:
        visit(node, visitor)
    return frozenset(visitor.names)
