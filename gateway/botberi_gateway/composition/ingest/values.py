"""A literal and a type -> whether the one is certainly a value of the other, by the types' bare shapes."""

from collections.abc import Mapping

from graphql import (
    EnumValueNode,
    FloatValueNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NamedTypeNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    TypeNode,
    ValueNode,
)
from graphql.language import BooleanValueNode

from botberi_gateway.composition.ingest.shapes import BUILT_IN, Shape

#: What each of GraphQL's own scalars takes.
_LITERALS: dict[str, tuple[type[ValueNode], ...]] = {
    "String": (StringValueNode,),
    "ID": (StringValueNode, IntValueNode),
    "Boolean": (BooleanValueNode,),
    "Float": (IntValueNode, FloatValueNode),
    "Int": (IntValueNode,),
}
_INT_32 = range(-(2**31), 2**31)
#: Longer ones are no 32 bit integers, and take long to read.
_MAX_DIGITS = 11


def surely_fits(value: ValueNode, type_: TypeNode, shapes: Mapping[str, Shape]) -> bool:
    """Whether the literal certainly is a value of the type; may be False for a value that fits."""
    if isinstance(type_, NonNullTypeNode):
        return not isinstance(value, NullValueNode) and surely_fits(value, type_.type, shapes)
    if isinstance(value, NullValueNode):
        return True
    if isinstance(type_, ListTypeNode):
        items = value.values if isinstance(value, ListValueNode) else (value,)
        return all(surely_fits(item, type_.type, shapes) for item in items)
    assert isinstance(type_, NamedTypeNode)
    name = type_.name.value
    if name in BUILT_IN:
        if not isinstance(value, _LITERALS[name]):
            return False
        if name == "Int":
            return isinstance(value, IntValueNode) and len(value.value) <= _MAX_DIGITS and int(value.value) in _INT_32
        return True
    shape = shapes.get(name)
    return shape is not None and _fits_own(value, shape, shapes)


def _fits_own(value: ValueNode, shape: Shape, shapes: Mapping[str, Shape]) -> bool:
    if shape.kind == "SCALAR":
        return _has_unique_keys(value)
    if shape.kind == "ENUM":
        return isinstance(value, EnumValueNode | StringValueNode) and value.value in shape.values
    if shape.kind != "INPUT_OBJECT" or not isinstance(value, ObjectValueNode) or not _has_unique_keys(value):
        return False
    values = {f.name.value: f.value for f in value.fields}
    if shape.is_one_of and (len(values) != 1 or any(isinstance(v, NullValueNode) for v in values.values())):
        return False
    return all(name in shape.inputs and surely_fits(v, shape.inputs[name].type, shapes) for name, v in values.items())


def _has_unique_keys(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return all(_has_unique_keys(item) for item in value.values)
    if isinstance(value, ObjectValueNode):
        names = {f.name.value for f in value.fields}
        return len(names) == len(value.fields) and all(_has_unique_keys(f.value) for f in value.fields)
    return True
