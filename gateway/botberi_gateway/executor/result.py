"""The answer to an operation, as data and as bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.codec import encode
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.upstream.bounded import TooLong, encode_within


@dataclass(slots=True)
class ExecutionResult:
    """`data` is None where a null propagated to the root, or where a subscription ended with an error.

    A result is never changed. (The class isn't frozen, see `SubgraphResponse`.)
    """

    data: Mapping[str, Any] | None
    errors: Sequence[ErrorEntry] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    #: Of a subscription's event, where its client can resume after it; `extensions.eventId` for clients.
    event_id: str | None = None
    #: Headers of subgraphs' answers to a query or mutation, if they are collected: (subgraph, lower-case name,
    #: value), in order of arrival.
    response_headers: Sequence[tuple[str, str, str]] = field(default=(), repr=False, compare=False)
    #: The most bytes of its JSON; None where it can't be larger than the answers that it was made of.
    max_bytes: int | None = field(default=None, repr=False, compare=False)
    #: Whether the JSON is known to be short enough to be written first and measured then.
    is_short: bool = field(default=False, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The response as the GraphQL specification has it; leaf values may be `Decimal`s or integers of any size."""
        response: dict[str, Any] = {"data": self.data}
        if self.errors:
            response["errors"] = [error.to_json() for error in self.errors]
        if self.extensions or self.event_id is not None:
            response["extensions"] = dict(self.extensions)
            if self.event_id is not None:
                response["extensions"]["eventId"] = self.event_id
        return response

    def to_bytes(self) -> bytes:
        """The JSON. Where that would have more than `max_bytes`, the result becomes that error."""
        if self.max_bytes is None:
            return encode(self.to_json())
        try:
            if not self.is_short:
                return encode_within(self.to_json(), self.max_bytes)
            written = encode(self.to_json())
            if len(written) <= self.max_bytes:
                return written
            raise TooLong
        except TooLong:
            self.data, self.errors, self.extensions = None, (response_too_large(self.max_bytes).entry(),), {}
            return encode(self.to_json())


def response_too_large(max_bytes: int) -> ResponseTooLarge:
    """The error for a response whose JSON has more bytes."""
    return ResponseTooLarge(f"{max_bytes} bytes")


def refused(error: ResponseTooLarge) -> ExecutionResult:
    """The result of an operation that used up its budget: an error without data."""
    return ExecutionResult(None, (error.entry(),))


class SharedResult(ExecutionResult):
    """A result that several clients get: written once."""

    __slots__ = ("_bytes",)

    @classmethod
    def of(cls, result: ExecutionResult, event_id: str | None) -> "SharedResult":
        """The same, with the id by which a client resumes after it."""
        return cls(result.data, result.errors, result.extensions, event_id, max_bytes=result.max_bytes)

    def to_bytes(self) -> bytes:
        written: bytes | None = getattr(self, "_bytes", None)
        if written is None:
            written = ExecutionResult.to_bytes(self)
            self._bytes = written
        return written
