"""CONTEXT_NAME_INVALID, CONTEXT_NOT_SET, NO_CONTEXT_IN_SELECTION, CONTEXT_INVALID_SELECTION, CONTEXT_NO_RESOLVABLE_KEY."""

import re
from collections.abc import Iterator

from graphql import (
    FieldNode,
    InlineFragmentNode,
    ListTypeNode,
    NonNullTypeNode,
    SelectionSetNode,
    TypeNode,
    print_ast,
)

from gateway.composition.merge.context import parse_from_context
from gateway.composition.problem import Problem, place
from gateway.composition.subgraph import Applied, FieldDef, InputDef, SubgraphSchema, TypeDef, base_name
from gateway.federation import FieldSetSyntaxError, parse_field_set

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    contexts: dict[str, list[TypeDef]] = {}
    for type_ in schema.types.values():
        for applied in type_.applied("context"):
            name = applied.text("name") or ""
            contexts.setdefault(name, []).append(type_)
            if not _NAME.fullmatch(name):
                message = f"\"{name}\" can't be a context's name: it has to be letters and digits."
                yield _problem(schema, "CONTEXT_NAME_INVALID", message, applied)
    for type_ in schema.composites():
        for field in type_.fields.values():
            for argument in field.arguments.values():
                for applied in argument.applied("fromContext"):
                    yield from _check_use(schema, contexts, type_, field, argument, applied)


def _problem(schema: SubgraphSchema, code: str, message: str, applied: Applied) -> Problem:
    return Problem(code, f"[{schema.name}] {message}", place(schema.name, applied.node))


def _check_use(
    schema: SubgraphSchema,
    contexts: dict[str, list[TypeDef]],
    type_: TypeDef,
    field: FieldDef,
    argument: InputDef,
    applied: Applied,
) -> Iterator[Problem]:
    where = f'"{field.coordinate}({argument.name}:)"'
    text = applied.text("field") or ""
    parsed = parse_from_context(text)
    if parsed.name is None or not parsed.selection:
        message = f'{where} names no context and selection: "{text}" should be like "$name {{ field }}".'
        yield _problem(schema, "NO_CONTEXT_IN_SELECTION", message, applied)
        return
    if type_.kind == "INTERFACE" or _implements(schema, type_, field):
        message = f"{where} can't be filled from a context: it belongs to an interface."
        yield _problem(schema, "CONTEXT_NOT_SET", message, applied)
    if parsed.name not in contexts:
        message = f'{where} uses the context "{parsed.name}", which no type of this subgraph sets.'
        yield _problem(schema, "CONTEXT_NOT_SET", message, applied)
    elif argument.default is not None:
        message = f"{where} is filled from a context and can't have a default."
        yield _problem(schema, "CONTEXT_NOT_SET", message, applied)
    else:
        for setter in contexts[parsed.name]:
            fault = _selection_fault(schema, setter, parsed.selection, argument.type)
            if fault is not None:
                message = f'{where} selects "{parsed.selection}" of the context "{parsed.name}": {fault}'
                yield _problem(schema, "CONTEXT_INVALID_SELECTION", message, applied)
                break
    if not any(k.arguments.get("resolvable") is not False for k in type_.keys):
        message = f'"{type_.name}" needs a resolvable key, as {where} is filled from a context.'
        yield _problem(schema, "CONTEXT_NO_RESOLVABLE_KEY", message, applied)


def _implements(schema: SubgraphSchema, type_: TypeDef, field: FieldDef) -> bool:
    return any(
        (found := schema.types.get(name)) is not None and field.name in found.fields and found.kind == "INTERFACE"
        for name in type_.interfaces
    )


def _selection_fault(schema: SubgraphSchema, setter: TypeDef, text: str, wanted: TypeNode) -> str | None:
    try:
        selection = parse_field_set(text)
    except FieldSetSyntaxError as error:
        return f"it can't be read: {error}"
    return _fault(schema, setter, selection, wanted)


def _fault(schema: SubgraphSchema, type_: TypeDef, node: SelectionSetNode, wanted: TypeNode) -> str | None:
    fields = [s for s in node.selections if isinstance(s, FieldNode)]
    fragments = [s for s in node.selections if isinstance(s, InlineFragmentNode)]
    if len(fields) > 1 or (fields and fragments):
        return "it has to be one field."
    if any(s.directives for s in node.selections):
        return "directives aren't allowed in it."
    if not fields and not fragments:
        return "it has to be one field."
    matched = False
    for fragment in fragments:
        condition = fragment.type_condition
        name = condition.name.value if condition else type_.name
        target = schema.types.get(name)
        if target is None:
            return f'there is no type "{name}".'
        if name == type_.name or name in schema.possible_types(type_.name) or type_.name in schema.possible_types(name):
            matched = True
            fault = _fault(schema, target, fragment.selection_set, wanted)
            if fault is not None:
                return fault
    if fragments:
        return None if matched else f'nothing in it fits "{type_.name}".'
    field_node = fields[0]
    if field_node.alias is not None:
        return "an alias isn't allowed in it."
    candidates = [type_] if type_.kind != "UNION" else [schema.types[m] for m in type_.members if m in schema.types]
    for candidate in candidates:
        field = candidate.fields.get(field_node.name.value)
        if field is None:
            return f'"{candidate.name}" has no field "{field_node.name.value}".'
        if field_node.selection_set is not None:
            target = schema.types.get(base_name(field.type))
            if target is None:
                return f'"{field.coordinate}" has no fields to select.'
            fault = _fault(schema, target, field_node.selection_set, wanted)
            if fault is not None:
                return fault
        elif not _fits(field.type, wanted):
            return f'"{field.coordinate}" is {print_ast(field.type)}, not {print_ast(wanted)}.'
    return None


def _fits(found: TypeNode, wanted: TypeNode) -> bool:
    """Null is allowed on the way: the context may be missing a parent, so only the types under non-null count."""
    if isinstance(found, NonNullTypeNode):
        found = found.type
    elif isinstance(wanted, NonNullTypeNode):
        return False
    if isinstance(wanted, NonNullTypeNode):
        wanted = wanted.type
    if isinstance(found, ListTypeNode) and isinstance(wanted, ListTypeNode):
        return _fits(found.type, wanted.type)
    return print_ast(found) == print_ast(wanted)
