"""Equal texts: defaults in other spelling, input objects in other order, `__typename` inside field sets."""

import random
import re
from typing import Final

from graphql import ListValueNode, ObjectValueNode, ValueNode, parse_const_value, parse_value, print_ast

#: A default's text -> other texts of an equal value, by the argument's or input field's type.
_NUMBERS: Final = {"1": ("1.0", "1e0", "10e-1"), "100": ("1e2", "100.0", "1.0E+2"), "0.5": ("5e-1", "0.50")}
_TYPED: Final = re.compile(
    r"(?P<head>\w+: (?P<type>[\w\[\]!]+)) = (?P<value>\{(?:[^{}]|\{[^{}]*\})*\}|\[[^\]]*\]|[^,()\s]+)"
)
_FIELD_SETS: Final = ("@key(", "@requires(", "@provides(")


def respelt(arguments: str, source: random.Random) -> str:
    """Arguments (or input fields) with each default written in one of the ways that mean the same."""

    def other(match: re.Match[str]) -> str:
        node = parse_const_value(match["value"])
        return f"{match['head']} = {_other(print_ast(node), match['type'], source)}"

    return _TYPED.sub(other, arguments)


def _other(text: str, type_: str, source: random.Random) -> str:
    named = type_.strip("[]!")
    node = parse_value(text)
    if isinstance(node, ObjectValueNode):
        parts = [f"{field.name.value}: {print_ast(field.value)}" for field in node.fields]
        source.shuffle(parts)
        return f"{{{', '.join(_strings(part, source) for part in parts)}}}"
    if isinstance(node, ListValueNode):
        if len(node.values) == 1 and source.random() < 0.5:  # one value for a list is a list of it
            return _other(print_ast(node.values[0]), named, source)
        return f"[{', '.join(_other(print_ast(value), named, source) for value in node.values)}]"
    if named == "Float":
        return source.choice((text, *_NUMBERS.get(text, ())))
    if named == "ID" and text.isdigit():
        return source.choice((text, f'"{text}"'))
    return _strings(text, source)


def _strings(text: str, source: random.Random) -> str:
    """Some strings as block strings, or with an escape."""

    def other(match: re.Match[str]) -> str:
        body = match[1]
        return source.choice((match[0], f'"""{body}"""', f'"\\u{ord(body[0]):04x}{body[1:]}"'))

    return re.sub(r'"(\w+)"', other, text)


def turned(value: str) -> str:
    """A literal with the fields of its input objects the other way round, at every depth."""
    return print_ast(_turned(parse_value(value)))


def _turned(node: ValueNode) -> ValueNode:
    if isinstance(node, ObjectValueNode):
        fields = [type(f)(name=f.name, value=_turned(f.value)) for f in reversed(node.fields)]
        return ObjectValueNode(fields=tuple(fields))
    if isinstance(node, ListValueNode):
        return ListValueNode(values=tuple(_turned(value) for value in node.values))
    return node


def with_typenames(directive: str, source: random.Random) -> str:
    """A directive with a field set, in which some selections ask for `__typename` as well."""
    if not directive.startswith(_FIELD_SETS) or "on " in directive:
        return directive
    return re.sub(r"\{ (?!__typename)", lambda _: "{ __typename " if source.random() < 0.75 else "{ ", directive)
