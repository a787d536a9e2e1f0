"""`__schema` and `__type` of an operation -> their values, by graphql-core on the API schema."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    Visitor,
    execute_sync,
    print_ast,
    visit,
)

from gateway import errors
from gateway.errors import ErrorEntry
from gateway.operation import Operation
from gateway.operation.defer import without_defer


def introspect(
    operation: Operation, variables: Mapping[str, Any], key: str, nodes: list[FieldNode]
) -> tuple[Any, list[ErrorEntry]]:
    """The value of one root field (its merged nodes), and the errors in it."""
    used = _variables_in(operation, nodes)
    # The answer is at hand: nothing of it is deferred.
    document = without_defer(
        DocumentNode(
            definitions=(
                OperationDefinitionNode(
                    operation=OperationType.QUERY,
                    name=None,
                    variable_definitions=tuple(
                        d for d in operation.variable_definitions if d.variable.name.value in used
                    ),
                    directives=(),
                    selection_set=SelectionSetNode(selections=tuple(nodes)),
                ),
                *operation.fragments.values(),
            )
        )
    )
    result = execute_sync(
        operation.schema,
        document,
        variable_values={name: value for name, value in variables.items() if name in used},
    )
    if not isinstance(result, ExecutionResult):  # incremental delivery is not asked for
        raise TypeError(f"Introspection of {print_ast(nodes[0])!r} gave no plain result.")
    found = [
        ErrorEntry(error.message, errors.INTERNAL_SERVER_ERROR, None if error.path is None else tuple(error.path))
        for error in result.errors or ()
    ]
    return (result.data or {}).get(key), found


def _variables_in(operation: Operation, nodes: list[FieldNode]) -> set[str]:
    used: set[str] = set()

    class Variables(Visitor):
        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            used.add(node.name.value)

    collector = Variables()
    for node in (*nodes, *operation.fragments.values()):
        visit(node, collector)
    return used
