"""The text of `@fromContext(field:)` -> its parts.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#fromcontext
"""

import re
from dataclasses import dataclass

_VALUE = re.compile(r"\s*\$\s*([A-Za-z_]\w*)?\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FromContext:
    """`$name { selection }` in its parts; `name` None where there is no context in it."""

    name: str | None
    selection: str


def parse_from_context(text: str) -> FromContext:
    """Never raises; what is missing is empty."""
    match = _VALUE.fullmatch(text)
    if match is None:
        return FromContext(None, text)
    return FromContext(match[1], match[2].strip())
