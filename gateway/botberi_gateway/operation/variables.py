"""Variables as the client sent them -> variables by the operation's types, or `RequestError`.

GraphQL specification, section 6.1.2 Coercing Variable Values.
"""

from collections.abc import Mapping
from typing import Any

from graphql.execution.values import get_variable_values

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry, RequestError
from botberi_gateway.operation.model import Operation
from botberi_gateway.operation.wording import without_values

MAX_ERRORS = 20
#: Values in lists and objects beyond which coercing them takes longer than the event loop should wait (about 5 ms).
MANY_VALUES = 5_000


def has_many_values(variables: Mapping[str, Any]) -> bool:
    """Whether variables are so many that they are better coerced in a thread.

    It looks at no more than `MANY_VALUES` of them.
    """
    if not variables or not isinstance(variables, dict):
        return False
    left: list[Any] = [value for value in variables.values() if isinstance(value, list | dict)]
    seen = 0
    while left:
        value = left.pop()
        seen += len(value)
        if seen > MANY_VALUES:
            return True
        inner = value.values() if isinstance(value, dict) else value
        left += [item for item in inner if isinstance(item, list | dict)]
    return False


def coerce_variables(operation: Operation, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Values with defaults applied; a variable that is neither given nor has a default stays absent.

    Raises `RequestError`.
    """
    if values is not None and not isinstance(values, Mapping):
        raise RequestError([ErrorEntry("Variables must be an object.", errors.BAD_USER_INPUT)])
    if not operation.variable_definitions:
        return {}
    coerced = get_variable_values(
        operation.schema, operation.variable_definitions, dict(values or {}), MAX_ERRORS, hide_suggestions=True
    )
    if isinstance(coerced, list):
        raise RequestError(
            [
                ErrorEntry(
                    without_values(error.message),
                    errors.BAD_USER_INPUT,
                    locations=[(place.line, place.column) for place in error.locations or ()],
                )
                for error in coerced
            ]
        )
    return dict(coerced.coerced)
