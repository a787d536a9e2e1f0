"""Text -> validated, normalised operation."""

from gateway.operation.limits import Limits
from gateway.operation.model import Operation
from gateway.operation.prepare import prepare
from gateway.operation.variables import coerce_variables, has_many_values

__all__ = ["Limits", "Operation", "coerce_variables", "has_many_values", "prepare"]
