"""`@context` and `@fromContext` -> `@context` of the supergraph and the context arguments of joins."""

from graphql import print_ast

from botberi_gateway.composition.subgraph import FieldDef, SubgraphSchema, TypeDef
from botberi_gateway.federation.context_value import parse_from_context
from botberi_gateway.supergraph.model import ContextArgument


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
