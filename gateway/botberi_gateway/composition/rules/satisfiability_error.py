"""SATISFIABILITY_ERROR: every query that the API allows can be answered.

https://www.apollographql.com/docs/graphos/reference/federation/errors#satisfiability_error
An example: https://www.apollographql.com/docs/graphos/reference/federation/composition-rules#unresolvable-field-example
"""

from collections.abc import Iterator
from dataclasses import replace

from graphql import Node

from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.problem import Problem, places
from botberi_gateway.composition.satisfiability import unsatisfiable
from botberi_gateway.supergraph import Supergraph


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    for coordinate, problem in unsatisfiable(supergraph).items():
        type_name, _, field = coordinate.partition(".")
        yield replace(problem, locations=places(_resolvers(state, type_name, field)))


def _resolvers(state: MergeState, type_name: str, field: str) -> Iterator[tuple[str, Node | None]]:
    """Where the field is resolved, though one can't come there; for `__typename`, where the type is."""
    for schema, type_ in state.sources(type_name):
        definition = type_.fields.get(field)
        if field == "__typename":
            yield schema.name, type_.node
        elif definition is not None and not schema.is_external(type_, definition):
            yield schema.name, definition.node
