"""Supergraph -> the queries that its API allows and no plan can answer."""

from gateway.composition.problem import Problem
from gateway.supergraph import Supergraph


def unsatisfiable(supergraph: Supergraph) -> list[Problem]:
    return []
