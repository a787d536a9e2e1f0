"""Text of a request -> an operation that is valid and within its limits."""

from botberi_gateway.operation.model import Operation
from botberi_gateway.operation.prepare import prepare
from botberi_gateway.operation.variables import coerce_variables, has_many_values

__all__ = ["Operation", "coerce_variables", "has_many_values", "prepare"]
