"""A literal and its type -> a value that is equal for all literals that mean the same to GraphQL."""

from collections.abc import Callable, Hashable, Mapping
from math import isfinite
from typing import TypeAlias

from graphql import (
    BooleanValueNode,
    ConstValueNode,
    FloatValueNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NamedTypeNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    TypeNode,
    ValueNode,
)
from graphql.language.ast import (
    ConstListValueNode,
    ConstObjectFieldNode,
    ConstObjectValueNode,
    EnumValueNode,
    StringValueNode,
)

#: Name of an input object -> types of its fields; None for a name that is no input object.
InputFields: TypeAlias = Callable[[str], "Mapping[str, TypeNode] | None"]

#: Exponents of more digits are compared as text: nothing can hold such a number.
_MAX_EXPONENT_DIGITS = 9
_TEXTS = ("String", "ID")


def no_input_fields(_name: str) -> None:
    """The fields of input objects, for types among which there are none."""


def comparable(value: ValueNode, type_: TypeNode | None, input_fields: InputFields = no_input_fields) -> Hashable:
    """A value that is equal for literals that mean the same.

    The order of an object's fields, `1.0` for `1`, block strings, and a single item for a list of it make no
    difference. `type_` is None for what has no type, such as what is inside of a custom scalar's value. A string is
    equal to the enum value of that name, as the reference composers take one for the other.
    """
    named = type_.type if isinstance(type_, NonNullTypeNode) else type_
    if isinstance(value, NullValueNode):
        return None
    if isinstance(named, ListTypeNode):
        items = value.values if isinstance(value, ListValueNode) else (value,)
        return "list", tuple(comparable(item, named.type, input_fields) for item in items)
    if isinstance(value, ListValueNode):
        return "list", tuple(comparable(item, None, input_fields) for item in value.values)
    name = named.name.value if isinstance(named, NamedTypeNode) else ""
    if isinstance(value, ObjectValueNode):
        types = input_fields(name) or {}
        fields = ((f.name.value, comparable(f.value, types.get(f.name.value), input_fields)) for f in value.fields)
        return "object", frozenset(fields)
    if isinstance(value, BooleanValueNode):
        return "boolean", value.value
    if isinstance(value, IntValueNode | FloatValueNode):
        return ("text", value.value) if name == "ID" else _number(value.value, name)
    return "text", value.value if isinstance(value, EnumValueNode | StringValueNode) else ""


def _number(text: str, type_name: str) -> Hashable:
    """Exact, but for a `Float`, which is what 64 bits hold."""
    if type_name == "Float" and isfinite(number := float(text)):
        return "float", number
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return "number", "", "", 0
    if len(exponent.lstrip("+-0")) > _MAX_EXPONENT_DIGITS:
        return "number", "text", text, 0
    power = int(exponent or "0") - len(fraction) + len(digits) - len(significant)
    return "number", "-" if text.startswith("-") else "", significant, power


def with_lists(value: ConstValueNode, type_: TypeNode, input_fields: InputFields = no_input_fields) -> ConstValueNode:
    """The same value with a list wherever the type has one (GraphQL's input coercion of lists).

    The node itself is returned where nothing changes. An enum value given for a `String` or `ID` becomes the string, as
    the reference composers take it.
    """
    if isinstance(type_, NonNullTypeNode):
        return with_lists(value, type_.type, input_fields)
    if isinstance(value, NullValueNode):
        return value
    if isinstance(type_, ListTypeNode):
        if not isinstance(value, ConstListValueNode | ListValueNode):
            return ConstListValueNode(values=(with_lists(value, type_.type, input_fields),))
        items = tuple(with_lists(item, type_.type, input_fields) for item in value.values)
        unchanged = all(new is old for new, old in zip(items, value.values, strict=True))
        return value if unchanged else ConstListValueNode(values=items)
    if isinstance(value, EnumValueNode) and isinstance(type_, NamedTypeNode) and type_.name.value in _TEXTS:
        return StringValueNode(value=value.value, block=False)
    types = input_fields(type_.name.value) if isinstance(type_, NamedTypeNode) else None
    if not isinstance(value, ConstObjectValueNode | ObjectValueNode) or not types:
        return value
    fields = tuple(_field_with_lists(f, types, input_fields) for f in value.fields)
    unchanged = all(new is old for new, old in zip(fields, value.fields, strict=True))
    return value if unchanged else ConstObjectValueNode(fields=fields)


def _field_with_lists(
    field: ConstObjectFieldNode, types: Mapping[str, TypeNode], input_fields: InputFields
) -> ConstObjectFieldNode:
    type_ = types.get(field.name.value)
    value = field.value if type_ is None else with_lists(field.value, type_, input_fields)
    return field if value is field.value else ConstObjectFieldNode(name=field.name, value=value)
