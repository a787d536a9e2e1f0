"""graphql-core's messages about a document or its variables -> what a client gets to see.

graphql-core quotes what it refuses: whole input objects, passwords included, and names as long as the document. A
message goes to browsers' consoles, logs and error trackers, so that names (shortened) and types are kept of it, and no
values. `_REASONS` has each message about values that graphql-core makes; any other says only that the value is wrong.
"""

import re
from collections.abc import Sequence
from typing import Final

from graphql import GraphQLError, ValuesOfCorrectTypeRule

#: Characters of a name in a message, and of a message.
MAX_NAME: Final = 64
MAX_MESSAGE: Final = 1_000

_TYPE = r"'[\w\[\]!]+'"
_REASONS: Final[Sequence[re.Pattern[str]]] = tuple(
    re.compile(pattern)
    for pattern in (
        rf"Expected (a )?value of non-null type {_TYPE} (to be provided|not to be None)",
        rf"Expected value of type {_TYPE} to be an object",
        rf"Expected value of type {_TYPE} to include required field '\w+'",
        rf"Expected value of type {_TYPE} not to include unknown field '\w+'(?=, found|\. Found|\.$)",
        r"(Int|Float|String|Boolean|ID) cannot represent (a )?([\w-]+ )*?value",
        r"Enum '\w+' cannot represent non-(string|enum) value",
        r"Within OneOf Input Object type '\w+', exactly one field must be specified, "
        r"and the value for that field must be non-null",
        rf"Variable '\$\w+' is of type {_TYPE} but must be non-nullable to be used for OneOf Input Object '\w+'",
        rf"Expected variable '\$\w+' provided to (non-null )?type {_TYPE} (to provide a runtime value|not to be None)",
        rf"Expected variable '\$\w+' provided to field '\w+' for OneOf Input Object type {_TYPE} "
        r"(to provide a runtime value|not to be None)",
        r"Too many errors processing variables, error limit reached\. Execution aborted(?=\.$)",
        r"Variable values are nested too deeply(?=\.$)",
    )
)
_NO_ENUM_VALUE: Final = re.compile(r"Value '.*' (does not exist in '\w+' enum)", re.DOTALL)
_NO_FIELD: Final = re.compile(rf"(Expected value of type {_TYPE} not to include) unknown field '")
_VARIABLE: Final = re.compile(r"Variable '\$\w+' has invalid value( at [\w.\[\]]+)?: ")
_TOKEN: Final = re.compile(r"\b(String|BlockString|Int|Float|Comment) '.*'", re.DOTALL)
_LONG_NAME: Final = re.compile(rf"[^\s'\"]{{{MAX_NAME + 1},}}")


def bounded(text: str) -> str:
    """The text with long names, and its end where it is long itself, left out."""
    text = _LONG_NAME.sub(lambda name: name[0][: MAX_NAME - 1] + "…", text)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def without_tokens(message: str) -> str:
    """A syntax error without the text of strings and numbers that stand in a wrong place."""
    return bounded(_TOKEN.sub(r"\1", message))


def without_values(message: str) -> str:
    """An error about a value, in a document or of a variable, without the value."""
    prefix = _VARIABLE.match(message)
    start = prefix.end() if prefix is not None else 0
    return bounded(message[:start] + _reason(message[start:]))


def _reason(text: str) -> str:
    for pattern in _REASONS:
        if (match := pattern.match(text)) is not None:
            return f"{match[0]}."
    if (match := _NO_ENUM_VALUE.match(text)) is not None:
        return f"The value {match[1]}."
    if (match := _NO_FIELD.match(text)) is not None:  # called so that it may as well be a value
        return f"{match[1]} unknown fields."
    return "The value is not valid."


class ValuesRule(ValuesOfCorrectTypeRule):
    """graphql-core's rule about values in documents, quoting none of them."""

    def report_error(self, error: GraphQLError) -> None:
        """See `ASTValidationRule`."""
        error.message = without_values(error.message)
        super().report_error(error)
