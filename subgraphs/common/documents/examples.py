"""A root field -> an operation that shows how it is asked for, with the variables that it needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

_MAX_DEPTH: Final = 3
_MAX_FIELDS: Final = 8
_SAMPLES: Final = {"Int": 10, "Float": 0.5, "Boolean": True, "ID": "…", "String": "…", "JSON": {}}


@dataclass(frozen=True, slots=True)
class Example:
    """`operation` is a document, `variables` a JSON object, empty where it needs none."""

    operation: str
    variables: str


def example(
    schema: GraphQLSchema, type_: GraphQLObjectType | GraphQLInterfaceType, name: str, field: GraphQLField
) -> Example | None:
    """None for a field of no root type."""
    operations = {
        id(schema.query_type): "query",
        id(schema.mutation_type): "mutation",
        id(schema.subscription_type): "subscription",
    }
    operation = operations.get(id(type_))
    if operation is None:
        return None
    wanted = {n: a for n, a in field.args.items() if is_required_argument(a) or n == "first"}
    declared = ", ".join(f"${n}: {a.type}" for n, a in wanted.items())
    passed = ", ".join(f"{n}: ${n}" for n in wanted)
    title = name[0].upper() + name[1:]
    head = f"{operation} {title}{f'({declared})' if declared else ''}"
    call = f"{name}{f'({passed})' if passed else ''}"
    body = _selection(schema, field.type, 2, ())
    text = f"{head} {{\n  {call}{body}\n}}"
    variables = {n: _sample(a.type, ()) for n, a in wanted.items()}
    return Example(text, json.dumps(variables, indent=2, ensure_ascii=False) if variables else "")


def _selection(schema: GraphQLSchema, type_: GraphQLOutputType, depth: int, above: tuple[str, ...]) -> str:
    """The braces after a field, with a line for each field; nothing for a leaf."""
    named = get_named_type(type_)
    indent = "  " * depth
    lines: list[str] = []
    if isinstance(named, GraphQLUnionType):
        lines.append(f"{indent}__typename")
        for member in named.types[:2]:
            lines.append(f"{indent}... on {member.name}{_selection(schema, member, depth + 1, above)}")
    elif isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
        lines += _fields(schema, named, depth, (*above, named.name))
    else:
        return ""
    return " {\n" + "\n".join(lines) + f"\n{'  ' * (depth - 1)}}}"


def _fields(
    schema: GraphQLSchema, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int, above: tuple[str, ...]
) -> list[str]:
    indent = "  " * depth
    askable = {
        name: field
        for name, field in type_.fields.items()
        if not name.startswith("_") and not any(is_required_argument(a) for a in field.args.values())
    }
    lines = [f"{indent}{n}" for n, f in askable.items() if is_leaf_type(get_named_type(f.type))][:_MAX_FIELDS]
    page = askable.get("nodes")
    if page is not None and get_named_type(page.type).name not in above:
        return [f"{indent}nodes{_selection(schema, page.type, depth + 1, above)}", *lines]
    if len(above) < _MAX_DEPTH:
        for name, field in askable.items():
            named = get_named_type(field.type)
            if isinstance(named, GraphQLObjectType) and named.name not in above and "pageInfo" not in named.fields:
                lines.append(f"{indent}{name}{_selection(schema, field.type, depth + 1, above)}")
    return lines or [f"{indent}__typename"]


def _sample(type_: GraphQLInputType, above: tuple[str, ...]) -> Any:
    if isinstance(type_, GraphQLNonNull):
        return _sample(type_.of_type, above)
    if isinstance(type_, GraphQLList):
        return [_sample(type_.of_type, above)]
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    if isinstance(type_, GraphQLInputObjectType):
        if type_.name in above:
            return None
        inner = (*above, type_.name)
        wanted = {n: f for n, f in type_.fields.items() if is_required_input_field(f)}
        if not wanted and type_.fields:
            name, field = next(iter(type_.fields.items()))
            wanted = {name: field}
        return {n: _sample(f.type, inner) for n, f in wanted.items()}
    return _SAMPLES.get(type_.name, "…")
