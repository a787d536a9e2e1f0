"""CONTEXT_INVALID_SELECTION: `@fromContext` selects one value of the argument's type on each type with the context.

The rules of the selection: https://www.apollographql.com/docs/graphos/reference/federation/directives#fromcontext
"""

from collections.abc import Iterator, Sequence

from graphql import (
    FieldNode,
    InlineFragmentNode,
    ListTypeNode,
    NonNullTypeNode,
    SelectionNode,
    SelectionSetNode,
    TypeNode,
)

from botberi_gateway.composition.rules.field_sets import suggestion
from botberi_gateway.composition.subgraph import SubgraphSchema, TypeDef
from botberi_gateway.federation import FieldSetSyntaxError, parse_field_set
from botberi_gateway.federation.printed import printed_type


class _Fault(Exception):
    """A fault of the selection. Its text is the end of a sentence."""


def selection_fault(schema: SubgraphSchema, setters: Sequence[TypeDef], text: str, expected: TypeNode) -> str | None:
    """The selection's fault, None if it has none. `setters` are the types with the `@context`."""
    try:
        selections = parse_field_set(text).selections
        if isinstance(selections[0], InlineFragmentNode):
            _check_fragments(schema, setters, selections, printed_type(expected))
        else:
            for setter in setters:
                _check_field(schema, setter, selections, printed_type(expected))
    except FieldSetSyntaxError as error:
        return f"it can't be read: {error}"
    except _Fault as fault:
        return str(fault)
    return None


def _check_field(schema: SubgraphSchema, type_: TypeDef, selections: Sequence[SelectionNode], expected: str) -> None:
    if len(selections) != 1 or not isinstance(selections[0], FieldNode):
        raise _Fault("it has to be one field.")
    _check_type(_resolved(schema, type_, selections), expected, type_)


def _check_fragments(
    schema: SubgraphSchema, setters: Sequence[TypeDef], selections: Sequence[SelectionNode], expected: str
) -> None:
    conditions: dict[str, SelectionSetNode] = {}
    for selection in selections:
        if not isinstance(selection, InlineFragmentNode):
            raise _Fault("fields and fragments can't stand side by side in it.")
        if selection.type_condition is None:
            raise _Fault("each fragment in it has to name a type.")
        name = selection.type_condition.name.value
        if name in conditions:
            raise _Fault(f'two fragments in it are on "{name}".')
        if name not in schema.types:
            raise _Fault(f'there is no type "{name}".')
        if schema.types[name].kind != "OBJECT":
            raise _Fault(f'fragments in it have to be on object types, which "{name}" is not.')
        conditions[name] = selection.selection_set
    used = set()
    for setter in setters:
        fitting = [name for name in conditions if name in schema.possible_types(setter.name)]
        if not fitting:
            raise _Fault(f'nothing in it fits "{setter.name}".')
        for name in fitting:
            type_ = schema.types[name]
            _check_type(_resolved(schema, type_, conditions[name].selections), expected, type_)
        used.update(fitting)
    unused = conditions.keys() - used
    if unused:
        raise _Fault(f'the fragment on "{min(unused)}" never fits a type that sets the context.')


def _check_type(resolved: str, expected: str, type_: TypeDef) -> None:
    # any value on the way may be missing, so an argument that can't be null is never sure of one
    if resolved != expected:
        raise _Fault(f'on "{type_.name}" its value is {resolved} (it may be null), not {expected}.')


def _resolved(schema: SubgraphSchema, type_: TypeDef, selections: Sequence[SelectionNode]) -> str:
    """The type of the selected value, without non-nulls."""
    if type_.is_interface_object:
        raise _Fault(f'"{type_.name}" is an interface object here, whose values can\'t be taken.')
    names = set(_types(schema, type_, selections))
    if len(names) != 1:
        raise _Fault("it has to be one value.")
    return names.pop()


def _types(schema: SubgraphSchema, type_: TypeDef, selections: Sequence[SelectionNode]) -> Iterator[str]:
    for node in selections:
        if not isinstance(node, FieldNode):
            raise _Fault("it has to be one value.")
        if node.directives:
            raise _Fault("directives aren't allowed in it.")
        if node.alias is not None:
            raise _Fault("an alias isn't allowed in it.")
        field = type_.fields.get(node.name.value)
        if field is None:
            meant = suggestion(node.name.value, type_.fields)
            raise _Fault(f'"{type_.name}" has no field "{node.name.value}".{meant}')
        inner, depth = _unwrapped(field.type)
        target = schema.types.get(inner)
        composite = target is not None and target.kind not in ("SCALAR", "ENUM")
        if node.selection_set is None:
            if composite:
                raise _Fault(f'"{field.coordinate}" needs a selection of its fields.')
        elif target is None or not composite:
            raise _Fault(f'"{field.coordinate}" has no fields to select.')
        else:
            inner = _resolved(schema, target, node.selection_set.selections)
        yield "[" * depth + inner + "]" * depth


def _unwrapped(node: TypeNode) -> tuple[str, int]:
    depth = 0
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        depth += isinstance(node, ListTypeNode)
        node = node.type
    return printed_type(node), depth
