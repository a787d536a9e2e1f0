"""A subscription and `@eventSource(feed:)` -> the query that lists new nodes with what the client selects."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    InlineFragmentNode,
    ListTypeNode,
    NamedTypeNode,
    NameNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    parse,
    parse_type,
    print_ast,
    visit,
)

from botberi_gateway.errors import PlanningError
from botberi_gateway.operation import Operation
from botberi_gateway.plan import EventFeed

#: The variable that stands for the cursor in a feed.
AFTER: Final = "after"


def event_feed(
    operation: Operation, field: str, feed: str, until: str | None, defaults: Mapping[str, ValueNode]
) -> EventFeed:
    """The query of a feed (the text in `@eventSource`) for a subscription field.

    `defaults` are those of the field's arguments. Raises `PlanningError` where the feed doesn't suit the API schema.
    """
    roots = _root_fields(operation)
    values = {**defaults, **{a.name.value: a.value for a in roots[0].arguments or ()}}
    cursor = _free_name({v.variable.name.value for v in operation.variable_definitions})
    steps, cursor_type = _steps(operation, field, _path(feed, field), values, cursor)
    until_path = until.split(".") if until else []
    selection = _connection(steps, _selections(roots), until_path)
    used = _Used(selection, operation)
    variables = [v for v in operation.variable_definitions if v.variable.name.value in used.variables]
    query = OperationDefinitionNode(
        operation=OperationType.QUERY,
        name=operation.definition.name,
        variable_definitions=(*variables, _variable(cursor, cursor_type)),
        directives=(),
        selection_set=SelectionSetNode(selections=tuple(selection)),
    )
    fragments = [operation.fragments[name] for name in used.fragments]
    document = print_ast(DocumentNode(definitions=(query, *fragments)))
    return EventFeed(document, tuple(step.name.value for step in steps), cursor, tuple(until_path))


def _steps(
    operation: Operation, field: str, path: list[FieldNode], values: Mapping[str, ValueNode], cursor: str
) -> tuple[list[FieldNode], str]:
    """The feed's fields with the subscription's arguments in place of its variables.

    And the type of the cursor's argument.
    """
    parent: Any = operation.schema.query_type
    cursor_type: str | None = None
    steps: list[FieldNode] = []
    for step in path:
        definition = parent.fields.get(step.name.value) if isinstance(parent, GraphQLObjectType) else None
        if definition is None:
            raise PlanningError(f"@eventSource of {field}: its feed names {step.name.value}, which doesn't exist there")
        for argument in step.arguments or ():
            if isinstance(argument.value, VariableNode) and argument.value.name.value == AFTER:
                declared = definition.args.get(argument.name.value)
                cursor_type = str(declared.type) if declared is not None else None
        arguments = (_with_value(argument, values, cursor) for argument in step.arguments or ())
        steps.append(FieldNode(name=step.name, arguments=tuple(a for a in arguments if a is not None), directives=()))
        parent = get_named_type(definition.type)
    if cursor_type is None:
        raise PlanningError(f"@eventSource of {field}: its feed needs ${AFTER}, the cursor to begin after")
    if cursor_type.endswith("!"):
        raise PlanningError(f"@eventSource of {field}: its feed's cursor can't be {cursor_type}, as the first has none")
    return steps, cursor_type


def _connection(
    steps: Sequence[FieldNode], node_selections: Sequence[SelectionNode], until: Sequence[str]
) -> list[SelectionNode]:
    """The selections of the query: a Relay connection at the end of the steps, and on the way the field `until`."""
    selection: list[SelectionNode] = [
        _field("edges", [_field("cursor"), _field("node", node_selections)]),
        _field("pageInfo", [_field("endCursor"), _field("hasNextPage")]),
    ]
    for depth in range(len(steps) - 1, -1, -1):
        if until and [s.name.value for s in steps[: depth + 1]] == list(until[:-1]):
            selection.append(_field(until[-1]))
        step = steps[depth]
        selection = [
            FieldNode(
                name=step.name,
                arguments=step.arguments,
                directives=(),
                selection_set=SelectionSetNode(selections=tuple(selection)),
            )
        ]
    return selection


def _path(feed: str, field: str) -> list[FieldNode]:
    """The fields of the feed, from the root to the connection."""
    try:
        document = parse("{" + feed + "}", no_location=True)
    except GraphQLError as error:
        raise PlanningError(f"@eventSource of {field}: its feed can't be read: {error.message}") from None
    (definition,) = document.definitions
    path: list[FieldNode] = []
    selections = definition.selection_set if isinstance(definition, OperationDefinitionNode) else None
    while selections is not None:
        if len(selections.selections) != 1 or not isinstance(selections.selections[0], FieldNode):
            raise PlanningError(f"@eventSource of {field}: its feed is a path of fields, one in another")
        step = selections.selections[0]
        if step.alias is not None:
            raise PlanningError(f"@eventSource of {field}: its feed has no aliases")
        path.append(step)
        selections = step.selection_set
    return path


def _with_value(argument: ArgumentNode, values: Mapping[str, ValueNode], cursor: str) -> ArgumentNode | None:
    """The feed's argument with the value of the subscription's argument that its variable names.

    None where that has none.
    """
    value = argument.value
    if not isinstance(value, VariableNode):
        return argument
    name = value.name.value
    if name == AFTER:
        return ArgumentNode(name=argument.name, value=VariableNode(name=NameNode(value=cursor)))
    return ArgumentNode(name=argument.name, value=values[name]) if name in values else None


def _root_fields(operation: Operation) -> list[FieldNode]:
    """The client's root field, as often as it is written: its selections are merged."""
    fields: list[FieldNode] = []
    todo: list[SelectionSetNode] = [operation.selection_set]
    while todo:
        for selection in todo.pop(0).selections:
            if isinstance(selection, FieldNode):
                fields.append(selection)
            elif isinstance(selection, InlineFragmentNode):
                todo.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                todo.append(operation.fragments[selection.name.value].selection_set)
    return fields


def _selections(nodes: Sequence[FieldNode]) -> list[SelectionNode]:
    """What is selected of the fields together."""
    return [selection for node in nodes if node.selection_set for selection in node.selection_set.selections]


def _field(name: str, selections: Sequence[SelectionNode] = ()) -> FieldNode:
    """A field without arguments."""
    below = SelectionSetNode(selections=tuple(selections)) if selections else None
    return FieldNode(name=NameNode(value=name), arguments=(), directives=(), selection_set=below)


def _variable(name: str, type_text: str) -> VariableDefinitionNode:
    """The definition of a variable of this type."""
    kind = parse_type(type_text, no_location=True)
    assert isinstance(kind, NamedTypeNode | ListTypeNode | NonNullTypeNode)
    return VariableDefinitionNode(variable=VariableNode(name=NameNode(value=name)), type=kind, directives=())


def _free_name(client_variables: set[str]) -> str:
    """A name for the cursor's variable that no variable of the client has."""
    name = "feedAfter"
    while name in client_variables:
        name += "_"
    return name


class _Used(Visitor):
    """The variables and fragments that selections use, directly or through fragments."""

    def __init__(self, selections: Sequence[SelectionNode], operation: Operation) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.fragments: dict[str, None] = {}
        self._operation = operation
        visit(SelectionSetNode(selections=tuple(selections)), self)

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.variables.add(node.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        name = node.name.value
        if name not in self.fragments:
            self.fragments[name] = None
            visit(self._operation.fragments[name].selection_set, self)
