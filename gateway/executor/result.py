"""The answer to an operation, as data and as bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import ErrorEntry
from gateway.upstream.codec import encode


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """`data` is None where a null climbed to the root, or where a subscription ended with an error."""

    data: Mapping[str, Any] | None
    errors: Sequence[ErrorEntry] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The response as the GraphQL specification has it; leaf values may be `Decimal`s or integers of any size."""
        response: dict[str, Any] = {"data": self.data}
        if self.errors:
            response["errors"] = [error.to_json() for error in self.errors]
        if self.extensions:
            response["extensions"] = dict(self.extensions)
        return response

    def to_bytes(self) -> bytes:
        return encode(self.to_json())
