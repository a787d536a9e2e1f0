"""`@context` and `@fromContext` -> `@context` of the supergraph and the context arguments of joins."""

import re
from dataclasses import dataclass

from graphql import print_ast

from botberi_gateway.composition.subgraph import FieldDef, SubgraphSchema, TypeDef
from botberi_gateway.supergraph.model import ContextArgument

_FROM = re.compile(r"\s*\$\s*([A-Za-z_]\w*)?\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FromContext:
    """`$name { selection }` in its parts; `name` None where there is no context in it."""

    name: str | None
    selection: str


def parse_from_context(text: str) -> FromContext:
    """Never raises; what is missing is empty."""
    match = _FROM.fullmatch(text)
    if match is None:
        return FromContext(None, text)
    return FromContext(match[1], match[2].strip())


def context_name(schema: SubgraphSchema, name: str) -> str:
    """A context's name in the supergraph, where contexts of all subgraphs meet."""
    return f"{schema.name}__{name}"


def context_arguments(schema: SubgraphSchema, type_: TypeDef, field: FieldDef) -> tuple[ContextArgument, ...]:
    """The arguments that the gateway fills in for this field in this subgraph."""
    result = []
    for argument in field.arguments.values():
        applied = next(argument.applied("fromContext"), None)
        text = applied.text("field") if applied else None
        if not text:
            continue
        parsed = parse_from_context(text)
        if parsed.name is not None:
            result.append(
                ContextArgument(
                    context_name(schema, parsed.name), argument.name, print_ast(argument.type), parsed.selection
                )
            )
    return tuple(result)
