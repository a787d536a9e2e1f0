"""A subgraph's leaf value and its type in the API schema -> the value for the client, or what is wrong with it.

The rules are those of result coercion in the GraphQL specification, section 3.5.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from graphql import GraphQLEnumType, GraphQLNamedType

_INT_MAX: Final = 2**31 - 1
_INT_MIN: Final = -(2**31)


class WrongLeaf(ValueError):
    """The value doesn't fit the type; the message is for the client and repeats nothing of the value."""


def _int(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongLeaf("is not an Int")
    if not _INT_MIN <= value <= _INT_MAX:
        raise WrongLeaf("is beyond what an Int holds (32 bits)")
    return value


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise WrongLeaf("is not a Float")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise WrongLeaf("is beyond what a Float holds")
    return value


def _string(value: Any) -> Any:
    if not isinstance(value, str):
        raise WrongLeaf("is not a String")
    return value


def _boolean(value: Any) -> Any:
    if not isinstance(value, bool):
        raise WrongLeaf("is not a Boolean")
    return value


def _id(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongLeaf("is not an ID")
    return str(value)


_BUILT_IN: Final[dict[str, Callable[[Any], Any]]] = {
    "Int": _int,
    "Float": _float,
    "String": _string,
    "Boolean": _boolean,
    "ID": _id,
}


def leaf(kind: GraphQLNamedType, value: Any) -> Any:
    """The value as the client gets it; custom scalars exactly as the subgraph sent them. Raises `WrongLeaf`."""
    check = _BUILT_IN.get(kind.name)
    if check is not None:
        return check(value)
    if isinstance(kind, GraphQLEnumType) and (not isinstance(value, str) or value not in kind.values):
        # Values that the API hides (`@inaccessible`) are unknown to its schema, so to the client as well.
        raise WrongLeaf(f"is not a value of enum {kind.name}")
    return value
