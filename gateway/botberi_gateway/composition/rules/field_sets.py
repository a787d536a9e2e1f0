"""The field sets of @key, @requires and @provides. Each directive has the same family of codes, so they share one walk.

`<D>_INVALID_FIELDS_TYPE`, `<D>_INVALID_FIELDS`, `<D>_FIELDS_HAS_ARGS`, `<D>_DIRECTIVE_IN_FIELDS_ARG`,
`<D>_UNSUPPORTED_ON_INTERFACE`, `<D>_FIELDS_MISSING_EXTERNAL`, `KEY_FIELDS_SELECT_INVALID_TYPE`,
`PROVIDES_ON_NON_OBJECT_FIELD`; `<D>` is KEY, REQUIRES or PROVIDES.

https://www.apollographql.com/docs/graphos/reference/federation/errors
"""

from collections.abc import Iterable, Iterator

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    InputValueDefinitionNode,
    ListValueNode,
    NonNullTypeNode,
    ObjectValueNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    print_ast,
)
from graphql.pyutils import suggestion_list

from botberi_gateway.composition.ingest.shapes import Shape
from botberi_gateway.composition.ingest.values import surely_fits
from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import Applied, FieldDef, SubgraphSchema, TypeDef, base_name, is_one_of
from botberi_gateway.federation import FieldSetSyntaxError, Version, parse_field_set

#: Interfaces can be entities since this version.
KEY_ON_INTERFACE = Version(2, 3)
#: Types that have no fields to select.
_LEAVES = ("SCALAR", "ENUM")


#: Known without a definition.
_DIRECTIVES = frozenset({"skip", "include", "deprecated", "specifiedBy"})


class _Fault(Exception):
    """The first thing wrong in a field set; the rest of it can hardly be judged."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    for type_ in schema.composites():
        for key in type_.keys:
            yield from _check_key(schema, type_, key)
        for field in type_.fields.values():
            for name in ("requires", "provides"):
                for applied in field.applied(name):
                    yield from _check_field(schema, type_, field, applied, name)


def is_faulty_key(schema: SubgraphSchema, type_: TypeDef, key: Applied) -> bool:
    """Whether the key can't be read as a selection of the type's fields."""
    return any(p.code.startswith("KEY_INVALID_FIELDS") for p in _check_key(schema, type_, key))


def _check_key(schema: SubgraphSchema, type_: TypeDef, key: Applied) -> Iterator[Problem]:
    if type_.kind == "INTERFACE" and not schema.was_upgraded and schema.version < KEY_ON_INTERFACE:
        yield _problem(
            schema,
            key,
            "KEY_UNSUPPORTED_ON_INTERFACE",
            f'@key on the interface "{type_.name}" needs federation {KEY_ON_INTERFACE} or newer.',
        )
        return
    yield from _run(schema, type_, key, "KEY", f'"{type_.name}"')


def _check_field(
    schema: SubgraphSchema, type_: TypeDef, field: FieldDef, applied: Applied, name: str
) -> Iterator[Problem]:
    prefix = name.upper()
    target: TypeDef | None = type_
    if name == "provides":
        if field.has("external"):
            return  # both together has an error of its own
        target = schema.types.get(base_name(field.type))
        if target is None or target.kind in (*_LEAVES, "INPUT_OBJECT"):
            message = f'@provides on "{field.coordinate}" makes no sense: {print_ast(field.type)} has no fields.'
            yield _problem(schema, applied, "PROVIDES_ON_NON_OBJECT_FIELD", message)
            return
    if type_.kind == "INTERFACE":
        message = f'@{name} can\'t be on "{field.coordinate}", a field of an interface.'
        yield _problem(schema, applied, f"{prefix}_UNSUPPORTED_ON_INTERFACE", message)
    if target is not None:
        yield from _run(schema, target, applied, prefix, f'"{field.coordinate}"')


def _problem(schema: SubgraphSchema, applied: Applied, code: str, message: str) -> Problem:
    return Problem(code, f"[{schema.name}] {message}", place(schema.name, applied.node))


def _run(schema: SubgraphSchema, type_: TypeDef, applied: Applied, prefix: str, where: str) -> Iterator[Problem]:
    text = applied.field_set()
    name = f"@{prefix.lower()}"
    argument = next((a for a in applied.node.arguments or () if a.name.value == "fields"), None)
    if text is None:
        literal = print_ast(argument.value) if argument else "nothing"
        message = f'The "fields" of {name} on {where} has to be a string, not {literal}.'
        yield _problem(schema, applied, f"{prefix}_INVALID_FIELDS_TYPE", message)
        return
    try:
        for fault in list(_walk(schema, type_, parse_field_set(text), prefix, external=False)):
            message = f'The "fields" of {name} on {where}, "{text}": {fault.message}'
            yield _problem(schema, applied, fault.code, message)
    except FieldSetSyntaxError as error:
        message = f'The "fields" of {name} on {where}, "{text}", can\'t be read: {error}'
        yield _problem(schema, applied, f"{prefix}_INVALID_FIELDS", message)
    except _Fault as fault:
        message = f'The "fields" of {name} on {where}, "{text}": {fault.message}'
        yield _problem(schema, applied, fault.code, message)


def _walk(
    schema: SubgraphSchema, type_: TypeDef, node: SelectionSetNode, prefix: str, *, external: bool
) -> Iterator[_Fault]:
    """Faults beside which the rest still makes sense; raises the first one beside which it doesn't."""
    for selection in node.selections:
        if selection.directives:
            for directive in selection.directives:
                name = directive.name.value
                if name not in _DIRECTIVES and name not in schema.directive_definitions:
                    raise _Fault(f"{prefix}_INVALID_FIELDS", f"there is no directive @{name}.")
            yield _Fault(f"{prefix}_DIRECTIVE_IN_FIELDS_ARG", "directives aren't allowed here.")
        if isinstance(selection, FragmentSpreadNode):
            raise _Fault(f"{prefix}_INVALID_FIELDS", "named fragments aren't allowed here.")
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            target = schema.types.get(condition.name.value) if condition else type_
            if target is None or not _overlap(schema, type_, target):
                name = condition.name.value if condition else type_.name
                raise _Fault(f"{prefix}_INVALID_FIELDS", f'"{name}" can\'t be where "{type_.name}" is.')
            yield from _walk(schema, target, selection.selection_set, prefix, external=external)
        elif isinstance(selection, FieldNode):
            yield from _walk_field(schema, type_, selection, prefix, external=external)


def _overlap(schema: SubgraphSchema, left: TypeDef, right: TypeDef) -> bool:
    return left.name == right.name or bool(schema.possible_types(left.name) & schema.possible_types(right.name))


def _walk_field(
    schema: SubgraphSchema, type_: TypeDef, node: FieldNode, prefix: str, *, external: bool
) -> Iterator[_Fault]:
    name = node.name.value
    if node.alias is not None:
        raise _Fault(f"{prefix}_INVALID_FIELDS", f'an alias ("{node.alias.value}") isn\'t allowed here.')
    if name == "__typename":
        if prefix != "KEY" and not external:
            message = f'"{type_.name}.__typename" should not be here: this subgraph resolves it itself.'
            yield _Fault(f"{prefix}_FIELDS_MISSING_EXTERNAL", message)
        return
    field = type_.fields.get(name)
    if field is None:
        raise _Fault(
            f"{prefix}_INVALID_FIELDS", f'"{type_.name}" has no field "{name}".{suggestion(name, type_.fields)}'
        )
    if field.arguments and prefix != "REQUIRES":
        yield _Fault(f"{prefix}_FIELDS_HAS_ARGS", f'"{type_.name}.{name}" takes arguments.')
    for argument in node.arguments or ():
        if argument.name.value not in field.arguments:
            meant = suggestion(argument.name.value, field.arguments)
            message = f'"{type_.name}.{name}" has no argument "{argument.name.value}".{meant}'
            raise _Fault(f"{prefix}_INVALID_FIELDS", message)
        expected = field.arguments[argument.name.value].type
        if _has_variables(argument.value) or not surely_fits(argument.value, expected, _input_shapes(schema)):
            given_text = f"{print_ast(argument.value)} is no {print_ast(expected)}"
            message = f'the argument "{argument.name.value}" of "{type_.name}.{name}" has a wrong value: {given_text}.'
            raise _Fault(f"{prefix}_INVALID_FIELDS", message)
    names = {a.name.value for a in node.arguments or ()}
    for required in field.arguments.values():
        if isinstance(required.type, NonNullTypeNode) and required.default is None and required.name not in names:
            message = f'"{type_.name}.{name}" needs the argument "{required.name}".'
            raise _Fault(f"{prefix}_INVALID_FIELDS", message)
    target = schema.types.get(base_name(field.type))
    if prefix == "KEY":
        _check_key_field(type_, field, target)
    if node.selection_set is not None:
        if target is None or target.kind in _LEAVES:
            raise _Fault(f"{prefix}_INVALID_FIELDS", f'"{type_.name}.{name}" has no fields to select.')
        here = external or _counts_as_external(schema, type_, field)
        yield from _walk(schema, target, node.selection_set, prefix, external=here)
        return
    if target is not None and target.kind not in _LEAVES:
        raise _Fault(f"{prefix}_INVALID_FIELDS", f'"{type_.name}.{name}" needs a selection of its fields.')
    if prefix != "KEY" and not external and not schema.is_external(type_, field):
        yield _Fault(
            f"{prefix}_FIELDS_MISSING_EXTERNAL",
            f'"{type_.name}.{name}" should not be here, as it is not @external: this subgraph resolves it itself.',
        )


def suggestion(name: str, names: Iterable[str]) -> str:
    """` Did you mean "name"?` where one of the known names is like it, else nothing."""
    near = suggestion_list(name, list(names))[:1]
    return f' Did you mean "{near[0]}"?' if near else ""


def _has_variables(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return any(_has_variables(item) for item in value.values)
    if isinstance(value, ObjectValueNode):
        return any(_has_variables(field.value) for field in value.fields)
    return isinstance(value, VariableNode)


def _input_shapes(schema: SubgraphSchema) -> dict[str, Shape]:
    """Arguments in field sets are rare, so this isn't kept."""
    return {
        type_.name: Shape(
            type_.kind,
            inputs={
                field.name: field.node
                for field in type_.input_fields.values()
                if isinstance(field.node, InputValueDefinitionNode)
            },
            values=set(type_.values),
            is_one_of=is_one_of(type_),
        )
        for type_ in schema.types.values()
        if type_.kind in ("SCALAR", "ENUM", "INPUT_OBJECT")
    }


def _counts_as_external(schema: SubgraphSchema, type_: TypeDef, field: FieldDef) -> bool:
    """Whether another subgraph resolves the field; an interface's field counts if one implementation's does."""
    if type_.kind == "INTERFACE":
        return any(
            schema.is_external(interface, interface.fields[field.name])
            for name in schema.possible_types(type_.name)
            if (interface := schema.types.get(name)) is not None and field.name in interface.fields
        )
    return schema.is_external(type_, field)


def _check_key_field(type_: TypeDef, field: FieldDef, target: TypeDef | None) -> None:
    if target is not None and target.kind in ("INTERFACE", "UNION"):
        kind = "an interface" if target.kind == "INTERFACE" else "a union"
        message = f'"{type_.name}.{field.name}" is {kind}, which can\'t be part of a key.'
        raise _Fault("KEY_FIELDS_SELECT_INVALID_TYPE", message)
