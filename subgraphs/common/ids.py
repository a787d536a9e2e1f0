"""Global ids that clients send -> row ids; what a bad one means depends on who sends it."""

from __future__ import annotations

from uuid import UUID

from shared_schema.ids import InvalidGlobalId, from_global_id
from subgraphs.common.errors import BadInput, ValidationRefusal


def argument_id(type_name: str, text: str, argument: str = "id") -> UUID:
    """The row that a query's argument names; BadInput when it names none of that type."""
    try:
        return from_global_id(type_name, text)
    except InvalidGlobalId as problem:
        raise BadInput(f"`{argument}` is not an id of {type_name}.") from problem


def input_id(type_name: str, text: str, path: str = "id") -> UUID:
    """The row that a mutation's input names; a typed validation error when it names none of that type."""
    try:
        return from_global_id(type_name, text)
    except InvalidGlobalId:
        raise ValidationRefusal.at(path, f"This is not an id of {type_name}.") from None


def reference_id(type_name: str, text: object) -> UUID | None:
    """The row that a representation names, or None: an entity that does not exist is null."""
    try:
        return from_global_id(type_name, text) if isinstance(text, str) else None
    except InvalidGlobalId:
        return None
