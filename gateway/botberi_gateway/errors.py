"""Codes of errors that clients see, and the exceptions that carry them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

GRAPHQL_PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
GRAPHQL_VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
BAD_USER_INPUT: Final = "BAD_USER_INPUT"
OPERATION_RESOLUTION_FAILURE: Final = "OPERATION_RESOLUTION_FAILURE"
BAD_REQUEST: Final = "BAD_REQUEST"
UNAUTHENTICATED: Final = "UNAUTHENTICATED"
FORBIDDEN: Final = "FORBIDDEN"
LIMIT_EXCEEDED: Final = "LIMIT_EXCEEDED"
#: An operation used up its budget while it ran: `botberi_gateway.executor.budget`.
RESPONSE_TOO_LARGE: Final = "RESPONSE_TOO_LARGE"
#: The answer is estimated to be larger than is allowed.
COST_LIMIT_EXCEEDED: Final = "COST_LIMIT_EXCEEDED"
SUBGRAPH_UNREACHABLE: Final = "SUBGRAPH_UNREACHABLE"
SUBGRAPH_TIMEOUT: Final = "SUBGRAPH_TIMEOUT"
SUBGRAPH_HTTP_ERROR: Final = "SUBGRAPH_HTTP_ERROR"
#: The circuit breaker is open: the subgraph failed too often, and wasn't asked.
SUBGRAPH_CIRCUIT_OPEN: Final = "SUBGRAPH_CIRCUIT_OPEN"
SUBGRAPH_INVALID_RESPONSE: Final = "SUBGRAPH_INVALID_RESPONSE"
DOWNSTREAM_SERVICE_ERROR: Final = "DOWNSTREAM_SERVICE_ERROR"
QUERY_PLANNING_FAILED: Final = "QUERY_PLANNING_FAILED"
INVALID_SUPERGRAPH: Final = "INVALID_SUPERGRAPH"
EVENT_SOURCE_UNAVAILABLE: Final = "EVENT_SOURCE_UNAVAILABLE"
#: The client reads slower than its subscription's events come, and none of them may be left out.
SLOW_CONSUMER: Final = "SLOW_CONSUMER"
#: The supergraph was replaced by one in which the subscription isn't valid.
SUBSCRIPTION_SCHEMA_RELOAD: Final = "SUBSCRIPTION_SCHEMA_RELOAD"
#: The subgraph that feeds the subscription was lost for a while; results may be missing, the subscription goes on.
SUBSCRIPTION_INTERRUPTED: Final = "SUBSCRIPTION_INTERRUPTED"
INTERNAL_SERVER_ERROR: Final = "INTERNAL_SERVER_ERROR"


@dataclass(slots=True)
class ErrorEntry:
    """One entry of a response's `errors` list (GraphQL specification, section 7.1.2).

    `path` is in the client's terms: response keys and list indices.
    """

    message: str
    code: str
    path: Sequence[str | int] | None = None
    locations: Sequence[tuple[int, int]] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"message": self.message}
        if self.locations:
            entry["locations"] = [{"line": line, "column": column} for line, column in self.locations]
        if self.path is not None:
            entry["path"] = list(self.path)
        entry["extensions"] = {"code": self.code, **self.extensions}
        return entry


class GatewayError(Exception):
    """Base of what the gateway raises; `code` is stable, the message is for people."""

    code: str = INTERNAL_SERVER_ERROR

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class RequestError(GatewayError):
    """The request can't be executed at all: a *request error*; the response has no `data`."""

    code = BAD_REQUEST

    def __init__(self, errors: Sequence[ErrorEntry]) -> None:
        super().__init__(errors[0].message, code=errors[0].code)
        self.errors = tuple(errors)


class SupergraphError(GatewayError):
    """A supergraph SDL that can't be read."""

    code = INVALID_SUPERGRAPH


class PlanningError(GatewayError):
    """No plan answers the operation: a gap in the supergraph, or a budget that ran out."""

    code = QUERY_PLANNING_FAILED


class SubgraphError(GatewayError):
    """A subgraph request that gave no usable answer; `subgraph` names the service."""

    code = SUBGRAPH_UNREACHABLE

    def __init__(
        self,
        subgraph: str,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after: str | None = None,
    ) -> None:
        """`status` and `retry_after` are of its HTTP answer, where it gave one."""
        super().__init__(message, code=code)
        self.subgraph = subgraph
        self.status = status
        self.retry_after = retry_after


class ConnectionFailed(SubgraphError):
    """No connection to the subgraph: the request was not sent."""


class SubscriptionRefused(SubgraphError):
    """The subgraph doesn't want the subscription: asking again is of no use."""


class SubgraphQueueFull(SubgraphError):
    """Too many requests to the subgraph wait already: the request was not sent."""


class EventSourceError(GatewayError):
    """The event source lost its connection or refuses the subscription."""

    code = EVENT_SOURCE_UNAVAILABLE
