"""INVALID_GRAPHQL of the merged graph: subgraphs that are valid each may not be so together (covariance, circles of inputs)."""

from collections.abc import Iterator

from graphql.type.validate import SchemaValidationContext

from gateway.composition.ingest.graphql_rules import is_ignored
from gateway.composition.merge.state import MergeState
from gateway.composition.problem import Problem
from gateway.supergraph import Supergraph


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    for graph in supergraph.graphs.values():
        if graph.graph.startswith("__"):
            message = (
                f'The subgraph "{graph.name}" would be {graph.graph} in join__Graph: such names are introspection\'s.'
            )
            yield Problem("INVALID_GRAPHQL", message)
    context = SchemaValidationContext(supergraph.schema)
    context.validate_root_types()
    context.validate_directives()
    context.validate_types()
    for error in context.errors:
        if not is_ignored(error):
            yield Problem("INVALID_GRAPHQL", error.message)
