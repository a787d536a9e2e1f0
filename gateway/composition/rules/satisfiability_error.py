"""SATISFIABILITY_ERROR: every query that the API allows can be answered."""

from collections.abc import Iterator

from gateway.composition.merge.state import MergeState
from gateway.composition.problem import Problem
from gateway.composition.satisfiability import unsatisfiable
from gateway.supergraph import Supergraph


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    yield from unsatisfiable(supergraph)
