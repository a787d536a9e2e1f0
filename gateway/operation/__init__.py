"""Text -> validated, normalised operation."""

from gateway.operation.model import Operation

__all__ = ["Operation"]
