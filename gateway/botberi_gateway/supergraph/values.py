"""Plain Python values -> constant AST nodes."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    ConstListValueNode,
    ConstObjectFieldNode,
    ConstObjectValueNode,
    ConstValueNode,
    FloatValueNode,
    IntValueNode,
    NameNode,
    NullValueNode,
    StringValueNode,
)


def value_node(value: Any) -> ConstValueNode:
    """Strings become strings, never enum values. Raises `TypeError` for what GraphQL has no literal for."""
    match value:
        case None:
            return NullValueNode()
        case bool():
            return BooleanValueNode(value=value)
        case int():
            return IntValueNode(value=str(value))
        case float():
            return FloatValueNode(value=repr(value))
        case str():
            return StringValueNode(value=value, block=False)
        case list() | tuple():
            return ConstListValueNode(values=tuple(value_node(v) for v in value))
        case Mapping():
            return ConstObjectValueNode(
                fields=tuple(
                    ConstObjectFieldNode(name=NameNode(value=k), value=value_node(v)) for k, v in value.items()
                )
            )
    raise TypeError(f"no GraphQL literal for {type(value).__name__}")
