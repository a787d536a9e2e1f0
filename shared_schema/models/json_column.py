"""A column for JSON that people wrote: stored as its text, so names keep their order and numbers their size."""

from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from shared_schema.json_text import json_text, json_value


class JsonText(TypeDecorator[dict[str, Any]]):
    """`text` that holds a JSON object. Postgres' `json` has no equality, which triggers that compare rows need."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> str | None:
        """To the text."""
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any] | None:
        """From the text."""
        return None if value is None else json_value(value)

    def compare_values(self, x: Any, y: Any) -> bool:
        """True if nothing was changed: another order of names is another value."""
        return (x is None) == (y is None) and (x is None or json_text(x) == json_text(y))
