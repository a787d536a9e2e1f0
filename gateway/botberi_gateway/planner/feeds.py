"""A subscription and `@eventSource(feed:)` -> the query that lists what is new, with the client's selection at its nodes."""

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

#: The name by which a feed calls the cursor.
AFTER: Final = "after"


def event_feed(
    operation: Operation, field: str, feed: str, until: str | None, defaults: Mapping[str, ValueNode]
) -> EventFeed:
    """`defaults` are those of the subscription field's arguments. Raises `PlanningError` where the feed doesn't fit the API."""
    nodes = _roots(operation)
    given = {**defaults, **{a.name.value: a.value for a in nodes[0].arguments or ()}}
    cursor = _free_name({v.variable.name.value for v in operation.variable_definitions})
    path = _path(feed, field)
    stop = until.split(".") if until else []
    schema = operation.schema
    parent: Any = schema.query_type
    wanted: list[SelectionNode] = [*_selections(nodes)]
    cursor_type: str | None = None
    steps: list[FieldNode] = []
    for step in path:
        definition = parent.fields.get(step.name.value) if isinstance(parent, GraphQLObjectType) else None
        if definition is None:
            raise PlanningError(f"@eventSource of {field}: its feed names {step.name.value}, which doesn't exist there")
        arguments = []
        for argument in step.arguments or ():
            if isinstance(argument.value, VariableNode) and argument.value.name.value == AFTER:
                known = definition.args.get(argument.name.value)
                cursor_type = str(known.type) if known is not None else None
            filled = _filled(argument, given, cursor)
            if filled is not None:
                arguments.append(filled)
        steps.append(FieldNode(name=step.name, arguments=tuple(arguments), directives=()))
        parent = get_named_type(definition.type)
    if cursor_type is None:
        raise PlanningError(f"@eventSource of {field}: its feed needs ${AFTER}, the cursor to begin after")
    if cursor_type.endswith("!"):
        raise PlanningError(f"@eventSource of {field}: its feed's cursor can't be {cursor_type}, as the first has none")
    node = _plain("node", wanted)
    selection: list[SelectionNode] = [
        _plain("edges", [_plain("cursor"), node]),
        _plain("pageInfo", [_plain("endCursor"), _plain("hasNextPage")]),
    ]
    for depth in range(len(steps) - 1, -1, -1):
        if stop and [s.name.value for s in steps[: depth + 1]] == stop[:-1]:
            selection.append(_plain(stop[-1]))
        step = steps[depth]
        selection = [
            FieldNode(
                name=step.name,
                arguments=step.arguments,
                directives=(),
                selection_set=SelectionSetNode(selections=tuple(selection)),
            )
        ]
    used = _Used(selection, operation)
    variables = [v for v in operation.variable_definitions if v.variable.name.value in used.variables]
    variables.append(_variable(cursor, cursor_type))
    query = OperationDefinitionNode(
        operation=OperationType.QUERY,
        name=operation.definition.name,
        variable_definitions=tuple(variables),
        directives=(),
        selection_set=SelectionSetNode(selections=tuple(selection)),
    )
    fragments = [operation.fragments[name] for name in used.fragments]
    document = print_ast(DocumentNode(definitions=(query, *fragments)))
    return EventFeed(document, tuple(step.name.value for step in steps), cursor, tuple(stop))


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


def _filled(argument: ArgumentNode, given: Mapping[str, ValueNode], cursor: str) -> ArgumentNode | None:
    value = argument.value
    if not isinstance(value, VariableNode):
        return argument
    name = value.name.value
    if name == AFTER:
        return ArgumentNode(name=argument.name, value=VariableNode(name=NameNode(value=cursor)))
    return ArgumentNode(name=argument.name, value=given[name]) if name in given else None


def _roots(operation: Operation) -> list[FieldNode]:
    """The client's root field; it may be written several times, to be merged."""
    found: list[FieldNode] = []
    todo: list[SelectionSetNode] = [operation.selection_set]
    while todo:
        for selection in todo.pop(0).selections:
            if isinstance(selection, FieldNode):
                found.append(selection)
            elif isinstance(selection, InlineFragmentNode):
                todo.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                todo.append(operation.fragments[selection.name.value].selection_set)
    return found


def _selections(nodes: Sequence[FieldNode]) -> list[SelectionNode]:
    return [selection for node in nodes if node.selection_set for selection in node.selection_set.selections]


def _plain(name: str, selections: Sequence[SelectionNode] = ()) -> FieldNode:
    below = SelectionSetNode(selections=tuple(selections)) if selections else None
    return FieldNode(name=NameNode(value=name), arguments=(), directives=(), selection_set=below)


def _variable(name: str, type_text: str) -> VariableDefinitionNode:
    kind = parse_type(type_text, no_location=True)
    assert isinstance(kind, NamedTypeNode | ListTypeNode | NonNullTypeNode)
    return VariableDefinitionNode(variable=VariableNode(name=NameNode(value=name)), type=kind, directives=())


def _free_name(taken: set[str]) -> str:
    name = "feedAfter"
    while name in taken:
        name += "_"
    return name


class _Used(Visitor):
    """Variables and fragments that selections need, directly or through fragments."""

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
