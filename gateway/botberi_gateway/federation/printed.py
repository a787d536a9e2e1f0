"""AST node -> text, as graphql-core's `print_ast` writes it.

That one makes buffers and joins them; this is quicker for the many small nodes of a schema.
"""

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    EnumValueNode,
    FloatValueNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NamedTypeNode,
    Node,
    NonNullTypeNode,
    NullValueNode,
    StringValueNode,
    TypeNode,
    print_ast,
)
from graphql.language.print_string import print_string

#: Longer ones are printed on several lines.
_SHORT = 70


def printed_type(node: TypeNode) -> str:
    """`[Product!]!`."""
    if isinstance(node, NonNullTypeNode):
        return printed_type(node.type) + "!"
    if isinstance(node, ListTypeNode):
        return f"[{printed_type(node.type)}]"
    assert isinstance(node, NamedTypeNode)
    return node.name.value


def printed(node: Node) -> str:
    """Values and directives quickly, anything else too."""
    text = _text(node)
    return print_ast(node) if text is None else text


def _text(node: Node) -> str | None:
    """None for what takes several lines, or isn't known here."""
    if isinstance(node, StringValueNode):
        return None if node.block else print_string(node.value)
    if isinstance(node, IntValueNode | FloatValueNode | EnumValueNode):
        return node.value
    if isinstance(node, BooleanValueNode):
        return "true" if node.value else "false"
    if isinstance(node, NullValueNode):
        return "null"
    if isinstance(node, TypeNode):
        return printed_type(node)
    if isinstance(node, ListValueNode):
        items = [_text(value) for value in node.values]
        text = "[" + ", ".join(item or "" for item in items) + "]"
        return None if None in items or len(text) > _SHORT else text
    if isinstance(node, DirectiveNode):
        values = [_text(argument.value) for argument in node.arguments or ()]
        if None in values:
            return None
        arguments = [f"{a.name.value}: {text}" for a, text in zip(node.arguments or (), values, strict=True)]
        return f"@{node.name.value}({', '.join(arguments)})" if arguments else f"@{node.name.value}"
    return None
