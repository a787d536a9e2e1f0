"""The custom scalars of every subgraph: instants that always have a zone, and JSON as it is."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

MAXIMUM_JSON_DEPTH = 64

JSON = NewType("JSON", object)


def print_instant(value: datetime) -> str:
    """An instant in UTC, to the microsecond, e.g. `2026-01-31T12:00:00.000000Z`."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(value: Any) -> datetime:
    """An ISO 8601 text with a zone as an instant; a time without a zone is refused, it may mean anything."""
    if not isinstance(value, str):
        raise GraphQLError("DateTime is an ISO 8601 text")
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise GraphQLError("DateTime is an ISO 8601 text with a zone, e.g. 2026-01-31T12:00:00Z") from None


def parse_json(value: Any) -> Any:
    """Any JSON value, not nested beyond what every later reader can take."""
    stack = [(value, 0)]
    while stack:
        part, depth = stack.pop()
        if depth > MAXIMUM_JSON_DEPTH:
            raise GraphQLError(f"JSON is nested deeper than {MAXIMUM_JSON_DEPTH} levels")
        if isinstance(part, dict):
            stack.extend((v, depth + 1) for v in part.values())
        elif isinstance(part, list):
            stack.extend((v, depth + 1) for v in part)
        elif isinstance(part, float) and not math.isfinite(part):
            raise GraphQLError("JSON has no infinite numbers")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant as ISO 8601 text with a zone, e.g. `2026-01-31T12:00:00Z`.",
        serialize=print_instant,
        parse_value=parse_instant,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value: object, list, text, number, boolean or null.",
        serialize=lambda value: value,
        parse_value=parse_json,
    ),
}
