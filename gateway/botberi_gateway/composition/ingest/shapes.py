"""Types as bare shapes -> whether GraphQL's type system certainly has nothing against them.

False is not a verdict: it means that graphql-core's own validation is to be asked, which builds a schema first and
takes many times longer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from graphql import InputValueDefinitionNode, ListTypeNode, NamedTypeNode, NonNullTypeNode, ObjectValueNode, TypeNode

from botberi_gateway.composition.subgraph import base_name
from botberi_gateway.supergraph import TypeKind

BUILT_IN = frozenset({"Int", "Float", "String", "Boolean", "ID"})
_INPUT: frozenset[TypeKind] = frozenset({"SCALAR", "ENUM", "INPUT_OBJECT"})


@dataclass(slots=True)
class Shape:
    """A type with all its extensions; `values` are an enum's, `is_one_of` is an input object's `@oneOf`."""

    kind: TypeKind
    fields: dict[str, tuple[TypeNode, tuple[InputValueDefinitionNode, ...]]] = field(default_factory=dict)
    inputs: dict[str, InputValueDefinitionNode] = field(default_factory=dict)
    interfaces: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    values: set[str] = field(default_factory=set)
    is_one_of: bool = False


def are_sound(shapes: Mapping[str, Shape], roots: Iterable[str]) -> bool:
    """True: `validate_schema` finds nothing. Directives' arguments are the caller's to check (`are_inputs`)."""
    names = list(roots)
    if len(set(names)) < len(names) or any(name not in shapes or shapes[name].kind != "OBJECT" for name in names):
        return False
    return all(_is_sound(name, shape, shapes) for name, shape in shapes.items()) and _is_finite(shapes)


def are_inputs(nodes: Iterable[InputValueDefinitionNode], shapes: Mapping[str, Shape]) -> bool:
    """Whether all have names that GraphQL allows and input types, and none is both mandatory and deprecated."""
    for node in nodes:
        if node.name.value.startswith("__"):
            return False
        if node.directives and is_mandatory(node) and any(d.name.value == "deprecated" for d in node.directives):
            return False
        name = base_name(node.type)
        if name not in BUILT_IN and (name not in shapes or shapes[name].kind not in _INPUT):
            return False
    return True


def _is_sound(name: str, shape: Shape, shapes: Mapping[str, Shape]) -> bool:
    if name.startswith("__") or name in BUILT_IN:
        return False
    match shape.kind:
        case "OBJECT" | "INTERFACE":
            return _has_sound_fields(shape, shapes) and _implements(name, shape, shapes)
        case "UNION":
            members = shape.members
            return (
                bool(members)
                and len(set(members)) == len(members)
                and all(m in shapes and shapes[m].kind == "OBJECT" for m in members)
            )
        case "ENUM":
            return bool(shape.values) and not any(value.startswith("__") for value in shape.values)
        case "INPUT_OBJECT":
            return bool(shape.inputs) and are_inputs(shape.inputs.values(), shapes)
    return True


def _has_sound_fields(shape: Shape, shapes: Mapping[str, Shape]) -> bool:
    if not shape.fields:
        return False
    for name, (type_, arguments) in shape.fields.items():
        base = base_name(type_)
        if base not in BUILT_IN and (base not in shapes or shapes[base].kind == "INPUT_OBJECT"):
            return False
        if name.startswith("__") or (arguments and not are_inputs(arguments, shapes)):
            return False
    return True


def _implements(name: str, shape: Shape, shapes: Mapping[str, Shape]) -> bool:
    interfaces = shape.interfaces
    if len(set(interfaces)) < len(interfaces) or name in interfaces:
        return False
    for interface in interfaces:
        other = shapes.get(interface)
        if other is None or other.kind != "INTERFACE" or not set(other.interfaces) <= set(interfaces):
            return False
        for field_name, (expected, arguments) in other.fields.items():
            field = shape.fields.get(field_name)
            if field is None or not _is_subtype(field[0], expected, shapes) or not _takes(field[1], arguments):
                return False
    return True


def _takes(arguments: Iterable[InputValueDefinitionNode], expected: Iterable[InputValueDefinitionNode]) -> bool:
    """Whether it has each expected argument with the same type, and no other that is mandatory."""
    remaining = {a.name.value: a for a in arguments}
    for argument in expected:
        actual = remaining.pop(argument.name.value, None)
        if actual is None or not is_same(actual.type, argument.type):
            return False
    return not any(map(is_mandatory, remaining.values()))


def is_mandatory(node: InputValueDefinitionNode) -> bool:
    return isinstance(node.type, NonNullTypeNode) and node.default_value is None


def is_same(left: TypeNode, right: TypeNode) -> bool:
    """The same type."""
    while left is not right:
        if type(left) is not type(right):
            return False
        if isinstance(left, NamedTypeNode):
            return isinstance(right, NamedTypeNode) and left.name.value == right.name.value
        assert isinstance(left, ListTypeNode | NonNullTypeNode)
        assert isinstance(right, ListTypeNode | NonNullTypeNode)
        left, right = left.type, right.type
    return True


def _is_subtype(type_: TypeNode, of: TypeNode, shapes: Mapping[str, Shape]) -> bool:
    while True:
        if isinstance(of, NonNullTypeNode):
            if not isinstance(type_, NonNullTypeNode):
                return False
            type_, of = type_.type, of.type
            continue
        if isinstance(type_, NonNullTypeNode):
            type_ = type_.type
        if isinstance(of, ListTypeNode):
            if not isinstance(type_, ListTypeNode):
                return False
            type_, of = type_.type, of.type
            continue
        if not isinstance(type_, NamedTypeNode) or not isinstance(of, NamedTypeNode):
            return False
        name, target = type_.name.value, of.name.value
        if name == target:
            return True
        has, wants = shapes.get(name), shapes.get(target)
        return has is not None and wants is not None and (target in has.interfaces or name in wants.members)


def _is_finite(shapes: Mapping[str, Shape]) -> bool:
    """Whether no input object needs itself, and none has an object as a default (which may be a circle, too)."""
    needs: dict[str, set[str]] = {}
    for name, shape in shapes.items():
        for node in shape.inputs.values():
            if isinstance(node.default_value, ObjectValueNode):
                return False
            if isinstance(node.type, NonNullTypeNode) and isinstance(node.type.type, NamedTypeNode):
                target = node.type.type.name.value
                if target in shapes and shapes[target].kind == "INPUT_OBJECT":
                    needs.setdefault(name, set()).add(target)
    while needs:
        free = {name for name, needed in needs.items() if not needed & needs.keys()}
        if not free:
            return False
        for name in free:
            del needs[name]
    return True
