"""The custom scalars of every subgraph: instants that always have a zone, and JSON as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from shared_schema.json_text import MAX_DEPTH, MAX_NUMBER_DIGITS, unstorable
from subgraphs.common.places import place

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
    """Any JSON value that may be stored; the refusal names the place."""
    if (problem := unstorable(value)) is not None:
        steps, reason = problem
        raise GraphQLError(f"JSON{f' at `{place(steps)}`' if steps else ''}: {reason}.")
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
        description="Any JSON value: object, list, text, number, boolean or null; members keep their order. "
        f"At most {MAX_DEPTH} levels deep, and numbers of at most {MAX_NUMBER_DIGITS} digits when written out.",
        serialize=lambda value: value,
        parse_value=parse_json,
    ),
}
