"""`graphql.visit` without the cycle of references that a visitor keeps: its methods, found by kind of node, hold it."""

from typing import Any

from graphql import Node, Visitor, visit


def visit_once(node: Node, visitor: Visitor) -> Any:
    """The visit's result. The visitor finds its methods again should it be used again."""
    try:
        return visit(node, visitor)
    finally:
        visitor.enter_leave_map.clear()
