"""`Plugin`: the class that plug-ins inherit, and what its hooks get."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.engine import GraphQLRequest
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.plan import OperationKind, Plan
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse


@dataclass(slots=True)
class IncomingRequest:
    """A client's request, before it is parsed. `request` may be changed or replaced.

    `headers` have lower-case names; of a socket, they have the values of `connection_init`'s payload. `address` is the
    client's, behind trusted proxies too. `state` is the plug-ins' own, and the same in all hooks of a request.
    """

    request: GraphQLRequest
    headers: Mapping[str, str]
    address: str | None
    subject: str | None
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class OperationInfo:
    """An operation that is valid and planned. `variables` may be replaced."""

    name: str | None
    kind: OperationKind
    #: The document, as the client sent it.
    document: str
    plan: Plan
    variables: Mapping[str, Any]
    subject: str | None
    state: dict[str, Any]


@dataclass(slots=True)
class SubgraphCall:
    """A request to a subgraph. `headers` may be changed, `request` replaced.

    `body` is the JSON that is sent for `request` (before any compression); it is None for a subscription.
    """

    subgraph: str
    request: SubgraphRequest
    headers: dict[str, str]
    body: bytes | None
    #: The operation that it is for; None for requests of the gateway itself.
    operation: OperationInfo | None


@dataclass(slots=True)
class OutgoingResponse:
    """What a client gets: plain JSON values, which may be changed."""

    operation: OperationInfo
    data: dict[str, Any] | None
    errors: Sequence[ErrorEntry]
    extensions: dict[str, Any]


class Plugin:
    """Inherit it and override the hooks that you need; a hook that isn't overridden costs nothing.

    A hook that raises a `GatewayError` ends the operation, and the client gets its message and code; for any other
    exception the client gets an internal error, and the log the traceback. Each hook may take the time that the
    configuration says (`timeout_seconds`). Hooks of several plug-ins run in the order of the configuration.
    """

    async def start(self) -> None:
        """The server starts, in each of its processes. An exception ends the start."""

    async def stop(self) -> None:
        """The server stops; no hook is called any more."""

    async def on_request(self, request: IncomingRequest) -> None:
        """A client's request has come and its caller is known."""

    async def on_operation(self, operation: OperationInfo) -> None:
        """An operation is about to run."""

    async def on_plan(self, document: str, plan: Plan) -> None:
        """A request has its plan, which may be kept from an earlier one."""

    async def on_subgraph_request(self, call: SubgraphCall) -> SubgraphResponse | None:
        """A request to a subgraph is about to be sent. A response that is returned is used in place of its answer."""

    async def on_subgraph_response(self, call: SubgraphCall, response: SubgraphResponse) -> SubgraphResponse | None:
        """A subgraph has answered, or a subscription there has a result. A response that is returned replaces it.

        Failures (no connection, no GraphQL) don't come here.
        """

    async def on_response(self, response: OutgoingResponse) -> None:
        """A query or mutation has its result. Deferred fragments are not delivered apart then."""

    async def on_subscription_event(self, response: OutgoingResponse) -> None:
        """A subscription has a result for a client."""
