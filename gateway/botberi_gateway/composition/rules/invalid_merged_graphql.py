"""INVALID_GRAPHQL of the merged graph: subgraphs that are each valid may be invalid together.

Examples are a field's type that no longer fits its interface's, and input objects that need each other.

https://www.apollographql.com/docs/graphos/reference/federation/errors#invalid_graphql
"""

from collections.abc import Iterator

from graphql import InputValueDefinitionNode, type_from_ast
from graphql.type.validate import SchemaValidationContext

from botberi_gateway.composition.ingest.graphql_rules import is_ignored, mismatches
from botberi_gateway.composition.ingest.shapes import Shape, are_inputs, are_sound
from botberi_gateway.composition.ingest.values import surely_fits
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.problem import Problem, places
from botberi_gateway.supergraph import Supergraph, SupergraphType

#: The join specification's names, under which a supergraph says where things come from.
_RESERVED = "join__"


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    for graph in supergraph.graphs.values():
        if graph.graph.startswith("__"):
            message = (
                f'The subgraph "{graph.name}" would be {graph.graph} in join__Graph: such names are introspection\'s.'
            )
            yield Problem("INVALID_GRAPHQL", message)
    for name in supergraph.types:
        if name.startswith(_RESERVED):
            message = f"\"{name}\" can't be a type: names that begin with {_RESERVED} are the supergraph's own."
            yield Problem("INVALID_GRAPHQL", message, places((s.name, t.node) for s, t in state.sources(name)))
    for definition in supergraph.directive_definitions:
        if definition.name.value.startswith(_RESERVED) or definition.name.value == "link":
            message = f"\"@{definition.name.value}\" can't be composed: the name is the supergraph's own."
            yield Problem("INVALID_GRAPHQL", message)
    if not is_certainly_valid(supergraph):
        yield from (Problem("INVALID_GRAPHQL", message) for message in errors_by_rules(supergraph))


def is_certainly_valid(supergraph: Supergraph) -> bool:
    """True: `errors_by_rules` would give no error. False: it may or may not."""
    shapes = {type_.name: _shape(type_) for type_ in supergraph.types.values()}
    roots = [name for name in (supergraph.query, supergraph.mutation, supergraph.subscription) if name]
    return (
        are_sound(shapes, roots)
        and all(
            not d.name.value.startswith("__") and are_inputs(d.arguments or (), shapes)
            for d in supergraph.directive_definitions
        )
        and all(
            node.default_value is None or surely_fits(node.default_value, node.type, shapes)
            for _, node in _inputs(supergraph)
        )
    )


def _inputs(supergraph: Supergraph) -> Iterator[tuple[str, InputValueDefinitionNode]]:
    """Arguments and input fields, which may have a default value."""
    for type_ in supergraph.types.values():
        for field in type_.fields.values():
            for argument in field.arguments:
                yield f"{type_.name}.{field.name}({argument.name.value}:)", argument
        for name, input_field in type_.input_fields.items():
            yield f"{type_.name}.{name}", input_field.node


def errors_by_rules(supergraph: Supergraph) -> Iterator[str]:
    """The errors that graphql-core's validation of the schema finds; where it finds none, those of default values.

    A default value may no longer fit, as merging changes the type of its argument or removes an enum's value.
    """
    context = SchemaValidationContext(supergraph.schema)
    context.validate_root_types()
    context.validate_directives()
    context.validate_types()
    messages = [error.message for error in context.errors if not is_ignored(error)]
    yield from messages
    if messages:
        return  # types may not be what their names promise
    for coordinate, node in _inputs(supergraph):
        expected = type_from_ast(supergraph.schema, node.type) if node.default_value is not None else None
        if node.default_value is not None and expected is not None:
            for text in mismatches(node.default_value, expected):
                yield f'The default value of "{coordinate}" is no value of its type in the supergraph: {text}.'


def _shape(type_: SupergraphType) -> Shape:
    return Shape(
        type_.kind,
        {name: (field.type, field.arguments) for name, field in type_.fields.items()},
        {name: field.node for name, field in type_.input_fields.items()},
        list(type_.interfaces),
        list(type_.members),
        set(type_.values),
        any(d.name.value == "oneOf" for d in type_.directives),
    )
