"""Supergraph -> the queries that its API allows and no plan can answer."""

from botberi_gateway.composition.satisfiability.prove import unsatisfiable

__all__ = ["unsatisfiable"]
