"""LIST_SIZE_APPLIED_TO_NON_LIST, LIST_SIZE_INVALID_<argument>: @listSize is on lists, its arguments fit the field.

The three are LIST_SIZE_INVALID_ASSUMED_SIZE, LIST_SIZE_INVALID_SLICING_ARGUMENT, LIST_SIZE_INVALID_SIZED_FIELD.

The specification of the directive: https://ibm.github.io/graphql-specs/cost-spec.html
"""

from collections.abc import Iterator
from typing import Any

from graphql import ListTypeNode, NonNullTypeNode, TypeNode, print_ast

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import FieldDef, SubgraphSchema, base_name


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    for type_ in schema.composites():
        for field in type_.fields.values():
            for applied in field.applied("listSize"):
                at = place(schema.name, applied.node)
                for code, message in _faults(schema, field, applied.arguments):
                    yield Problem(f"LIST_SIZE_{code}", f"[{schema.name}] @listSize on {message}", at)


def _faults(schema: SubgraphSchema, field: FieldDef, arguments: dict[str, Any]) -> Iterator[tuple[str, str]]:
    where = f'"{field.coordinate}"'
    sized = arguments.get("sizedFields")
    if not sized and not _is_list(field.type):
        yield "APPLIED_TO_NON_LIST", f"{where}: {print_ast(field.type)} is no list."
    assumed = arguments.get("assumedSize")
    if isinstance(assumed, int) and assumed < 0:
        yield "INVALID_ASSUMED_SIZE", f"{where}: assumedSize can't be negative ({assumed})."
    for name in _strings(arguments.get("slicingArguments")):
        argument = field.arguments.get(name)
        if argument is None:
            yield "INVALID_SLICING_ARGUMENT", f'{where}: it has no argument "{name}" to slice by.'
        elif print_ast(argument.type) not in ("Int", "Int!"):
            yield "INVALID_SLICING_ARGUMENT", f'{where}: the slicing argument "{name}" has to be an Int.'
    target = schema.types.get(base_name(field.type))
    for name in _strings(sized):
        sized_field = target.fields.get(name) if target is not None else None
        if sized_field is None:
            yield "INVALID_SIZED_FIELD", f'{where}: {base_name(field.type)} has no field "{name}" to size.'
        elif not _is_list(sized_field.type):
            yield "APPLIED_TO_NON_LIST", f'{where}: the sized field "{sized_field.coordinate}" is no list.'


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [v for v in value or () if isinstance(v, str)]


def _is_list(node: TypeNode) -> bool:
    return isinstance(node.type if isinstance(node, NonNullTypeNode) else node, ListTypeNode)
