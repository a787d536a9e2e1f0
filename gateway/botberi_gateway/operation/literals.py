"""Arguments as the client wrote them -> a text that is equal where the arguments are.

Neither they nor fields of input objects have an order.
"""

from collections.abc import Iterable

from graphql import ArgumentNode, ListValueNode, ObjectValueNode, ValueNode, print_ast


def arguments_text(arguments: Iterable[ArgumentNode]) -> str:
    """Equal for arguments of the same names and values (GraphQL specification, 5.3.2 and 2.9.8).

    Empty where there are none.
    """
    return ", ".join(sorted(f"{argument.name.value}: {literal_text(argument.value)}" for argument in arguments))


def literal_text(value: ValueNode) -> str:
    """The value printed, fields of input objects in the order of their names."""
    if isinstance(value, ObjectValueNode):
        fields = sorted(f"{field.name.value}: {literal_text(field.value)}" for field in value.fields)
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, ListValueNode):
        return f"[{', '.join(map(literal_text, value.values))}]"
    return print_ast(value)
