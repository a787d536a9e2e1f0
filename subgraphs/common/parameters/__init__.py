"""JSON Schemas of agents and the parameters for them -> problems in plain words; any schema is checked without harm."""

from subgraphs.common.parameters.check import MAX_PROBLEMS, schema_problems, too_large, value_problems
from subgraphs.common.parameters.measure import MAX_CHECKS, MAX_DEPTH, MAX_EXPANDED, MAX_PATTERNS
from subgraphs.common.parameters.pool import ParameterChecks

__all__ = [
    "MAX_CHECKS",
    "MAX_DEPTH",
    "MAX_EXPANDED",
    "MAX_PATTERNS",
    "MAX_PROBLEMS",
    "ParameterChecks",
    "schema_problems",
    "too_large",
    "value_problems",
]
