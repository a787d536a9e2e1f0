"""Fetches written by hand: what the planner gives as data is read from the operation's text."""

from collections.abc import Iterable
from typing import Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    InlineFragmentNode,
    NameNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from botberi_gateway.plan import (
    Entities,
    Fetch,
    OperationPart,
    OperationParts,
    Selected,
    SelectedField,
    SelectedFragment,
)

#: No operation has this name in it.
_CUT = "__cut__"


def fetch_of(id: int, subgraph: str, operation: str, **more: Any) -> Fetch:
    """The fetch of one executable document with one operation."""
    contextual = [entities for entities in more.get("entities", ()) if entities.contexts]
    parts = parts_of(operation, contextual) if contextual else None
    return Fetch(id, subgraph, operation, selections_of(operation), parts=parts, **more)


def selections_of(text: str) -> tuple[Selected, ...]:
    """What the operation selects."""
    document = parse(text, no_location=True)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))

    def below(selection_set: SelectionSetNode | None) -> tuple[Selected, ...]:
        selections: list[Selected] = []
        for node in selection_set.selections if selection_set is not None else ():
            conditions = _conditions(node)
            if conditions is None:
                continue
            if isinstance(node, FieldNode):
                key = (node.alias or node.name).value
                selections.append(SelectedField(node.name.value, key, below(node.selection_set), conditions))
                continue
            fragment = node if isinstance(node, InlineFragmentNode) else fragments[node.name.value]  # type: ignore[attr-defined]
            type_name = None if fragment.type_condition is None else fragment.type_condition.name.value
            selections.append(SelectedFragment(type_name, below(fragment.selection_set), conditions))
        return tuple(selections)

    return below(operation.selection_set)


def _conditions(node: Any) -> tuple[tuple[str, bool], ...] | None:
    """None where they never hold."""
    conditions = []
    for directive in node.directives or ():
        if directive.name.value not in ("skip", "include"):
            continue
        required, value = directive.name.value == "include", directive.arguments[0].value
        if isinstance(value, VariableNode):
            conditions.append((value.name.value, required))
        elif isinstance(value, BooleanValueNode) and value.value is not required:
            return None
    return tuple(conditions)


def parts_of(operation: str, contextual: list[Entities]) -> OperationParts:
    """The operation in parts, for copies of the fields with contexts."""
    definition = parse(operation, no_location=True).definitions[0]
    assert isinstance(definition, OperationDefinitionNode)
    owners = {entities.response_key: number for number, entities in enumerate(contextual)}
    owned = {
        name: number
        for number, entities in enumerate(contextual)
        for name in (entities.variable, *(value.variable for value in entities.contexts))
    }
    definitions = [
        OperationPart(_cut(node, owned), owned.get(node.variable.name.value), frozenset((node.variable.name.value,)))
        for node in definition.variable_definitions or ()
    ]
    fields = []
    for node in definition.selection_set.selections:
        assert isinstance(node, FieldNode)
        key = (node.alias or node.name).value
        if key in owners:
            copied = FieldNode(
                alias=NameNode(value=key + _CUT),
                name=node.name,
                arguments=node.arguments,
                directives=node.directives,
                selection_set=node.selection_set,
            )
            fields.append(OperationPart(_cut(copied, owned), owners[key], _variables((node,))))
        else:
            fields.append(OperationPart((print_ast(node),), None, _variables((node,))))
    return OperationParts(
        head=definition.operation.value + (f" {definition.name.value}" if definition.name else ""),
        definitions=tuple(definitions),
        directives="".join(" " + print_ast(directive) for directive in definition.directives or ()),
        directive_variables=_variables(definition.directives or ()),
        fields=tuple(fields),
    )


class _VariableNames(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.add(node.name.value)


def _variables(nodes: Iterable[Node]) -> frozenset[str]:
    visitor = _VariableNames()
    for node in nodes:
        visit(node, visitor)
    return frozenset(visitor.names)


class _Marker(Visitor):
    """Marks the names of the variables that copies have for themselves."""

    def __init__(self, owned: dict[str, int]) -> None:
        super().__init__()
        self._owned = owned

    def leave_variable(self, node: VariableNode, *_: object) -> VariableNode:
        return VariableNode(name=NameNode(value=node.name.value + _CUT)) if node.name.value in self._owned else node


def _cut(node: FieldNode | VariableDefinitionNode, owned: dict[str, int]) -> tuple[str, ...]:
    return tuple(print_ast(visit(node, _Marker(owned))).split(_CUT))
