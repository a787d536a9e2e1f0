"""INVALID_GRAPHQL of the merged graph: subgraphs that are valid each may not be so together (covariance, circles of inputs)."""

from collections.abc import Iterator

from graphql.type.validate import SchemaValidationContext

from gateway.composition.ingest.graphql_rules import is_ignored
from gateway.composition.ingest.shapes import Shape, are_inputs, are_sound
from gateway.composition.merge.state import MergeState
from gateway.composition.problem import Problem
from gateway.supergraph import Supergraph, SupergraphType


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    for graph in supergraph.graphs.values():
        if graph.graph.startswith("__"):
            message = (
                f'The subgraph "{graph.name}" would be {graph.graph} in join__Graph: such names are introspection\'s.'
            )
            yield Problem("INVALID_GRAPHQL", message)
    if not is_certainly_valid(supergraph):
        yield from (Problem("INVALID_GRAPHQL", message) for message in errors_by_rules(supergraph))


def is_certainly_valid(supergraph: Supergraph) -> bool:
    """False says nothing; True that `errors_by_rules` would give none."""
    shapes = {type_.name: _shape(type_) for type_ in supergraph.types.values()}
    roots = [name for name in (supergraph.query, supergraph.mutation, supergraph.subscription) if name]
    return are_sound(shapes, roots) and all(
        not d.name.value.startswith("__") and are_inputs(d.arguments or (), shapes)
        for d in supergraph.directive_definitions
    )


def errors_by_rules(supergraph: Supergraph) -> Iterator[str]:
    """By graphql-core's validation of the schema."""
    context = SchemaValidationContext(supergraph.schema)
    context.validate_root_types()
    context.validate_directives()
    context.validate_types()
    for error in context.errors:
        if not is_ignored(error):
            yield error.message


def _shape(type_: SupergraphType) -> Shape:
    return Shape(
        type_.kind,
        {name: (field.type, field.arguments) for name, field in type_.fields.items()},
        {name: field.node for name, field in type_.input_fields.items()},
        list(type_.interfaces),
        list(type_.members),
        set(type_.values),
    )
