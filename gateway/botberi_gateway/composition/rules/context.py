"""CONTEXT_NAME_INVALID, CONTEXT_NOT_SET, NO_CONTEXT_IN_SELECTION, CONTEXT_NO_RESOLVABLE_KEY: contexts and their uses.

The selections of `@fromContext` are checked in `context_invalid_selection.py`, which is called from here.

The directives: https://www.apollographql.com/docs/graphos/reference/federation/directives#context
"""

import re
from collections.abc import Iterator

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.rules.context_invalid_selection import selection_fault
from botberi_gateway.composition.subgraph import Applied, FieldDef, InputDef, SubgraphSchema, TypeDef
from botberi_gateway.federation.context_value import parse_from_context

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
    for name, arguments in schema.directive_arguments.items():
        for argument in arguments.values():
            for applied in argument.applied("fromContext"):
                message = f'"@{name}({argument.name}:)" can\'t be filled from a context: it belongs to a directive.'
                yield _problem(schema, "CONTEXT_NOT_SET", message, applied)
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
    if type_.kind == "INTERFACE" or _implements(schema, type_, field):
        message = f"{where} can't be filled from a context: it belongs to an interface."
        yield _problem(schema, "CONTEXT_NOT_SET", message, applied)
        if type_.kind == "INTERFACE":
            return
    if argument.default is not None:
        message = f"{where} is filled from a context and can't have a default."
        yield _problem(schema, "CONTEXT_NOT_SET", message, applied)
    if parsed.name is None or not parsed.selection:
        message = f'{where} names no context and selection: "{text}" should be like "$name {{ field }}".'
        yield _problem(schema, "NO_CONTEXT_IN_SELECTION", message, applied)
        return
    if parsed.name not in contexts:
        message = f'{where} uses the context "{parsed.name}", which no type of this subgraph sets.'
        yield _problem(schema, "CONTEXT_NOT_SET", message, applied)
    else:
        fault = selection_fault(schema, contexts[parsed.name], parsed.selection, argument.type)
        if fault is not None:
            message = f'{where} selects "{parsed.selection}" of the context "{parsed.name}": {fault}'
            yield _problem(schema, "CONTEXT_INVALID_SELECTION", message, applied)
    if not any(k.arguments.get("resolvable") is not False for k in type_.keys):
        message = f'"{type_.name}" needs a resolvable key, as {where} is filled from a context.'
        yield _problem(schema, "CONTEXT_NO_RESOLVABLE_KEY", message, applied)


def _implements(schema: SubgraphSchema, type_: TypeDef, field: FieldDef) -> bool:
    return any(
        (other := schema.types.get(name)) is not None and field.name in other.fields and other.kind == "INTERFACE"
        for name in type_.interfaces
    )
