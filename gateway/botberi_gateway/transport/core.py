"""What all transports share: settings, identity, limits of subscriptions and sockets, and reports to the observer."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from botberi_gateway import errors
from botberi_gateway.config import TransportConfig
from botberi_gateway.engine import OVERLOADED, Gateway, GraphQLRequest, RequestContext
from botberi_gateway.errors import GatewayError
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.single_flight import SingleFlight
from botberi_gateway.transport.client import Client, ClientResolver
from botberi_gateway.transport.compression import Compression
from botberi_gateway.transport.exchange import Exchange
from botberi_gateway.transport.identity import Identity
from botberi_gateway.transport.notice import Notice
from botberi_gateway.transport.origin import OriginPolicy
from botberi_gateway.transport.port import Observer
from botberi_gateway.transport.rechecks import Rechecks

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
#: A result and its JSON.
Written: TypeAlias = tuple[ExecutionResult, bytes]


class _NoObserver:
    """Stands in where no observer is plugged in."""

    def operation(self, kind: str, outcome: str, seconds: float) -> None: ...

    def subscriptions(self, change: int) -> None: ...

    def sockets(self, change: int) -> None: ...

    def shared(self) -> None: ...


class DrainableSocket(Protocol):
    """An open socket that the stop of the server can end."""

    async def drain(self) -> None:
        """End the socket, once its short operations have ended."""
        ...


class RequestHooks(Protocol):
    """What plug-ins do with a client's request, as the transport calls it."""

    async def request(
        self, request: GraphQLRequest, headers: Mapping[str, str], address: str | None, context: RequestContext
    ) -> GraphQLRequest:
        """A request has come. Returns the one to go on with. Raises `GatewayError` for one that is refused."""
        ...


class EventConnections(Protocol):
    """Streams of server-sent events that many operations share (graphql-sse, single connection mode)."""

    def concerns(self, exchange: Exchange, query_string: bytes) -> bool:
        """Whether a request is about such a stream."""
        ...

    async def answer(self, exchange: Exchange, query_string: bytes) -> None:
        """Answer it. Raises as an operation does."""
        ...


@dataclass(slots=True)
class Core:
    """The parts that every transport needs, made once for an app."""

    gateway: Gateway
    identity: Identity
    origins: OriginPolicy
    config: TransportConfig
    observer: Observer = field(default_factory=_NoObserver)
    #: Equal queries under way, where they are answered together.
    sharing: SingleFlight[Written] | None = None
    #: Of plug-ins, where there are any.
    hooks: RequestHooks | None = None
    #: Whether requests may have files: whether the subgraphs' clients can send them.
    takes_files: bool = False
    #: Streams that many operations share, where they are served.
    event_connections: EventConnections | None = None
    #: What packs answers, where they are packed.
    compression: Compression | None = None
    #: Set when the server is about to stop: streams end, new sockets are refused.
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    #: Open sockets.
    sockets: set["DrainableSocket"] = field(default_factory=set)
    #: Mutations whose client has gone; they run to their end.
    unattended: set[asyncio.Task[Any]] = field(default_factory=set)

    #: Queries and mutations under way, but for those of streams that have begun.
    at_work: int = 0
    _refused: Notice = field(default_factory=lambda: Notice(logger))

    #: Says where requests come from.
    clients: ClientResolver = field(init=False)
    rechecks: Rechecks = field(init=False)
    #: Running subscriptions by caller, of all ways in together.
    subscribers: Counter[str] = field(default_factory=Counter)
    subscriptions: int = 0
    #: The same, and open sockets, by the network that they come from.
    subscriptions_by_network: Counter[str] = field(default_factory=Counter)
    sockets_by_network: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.clients = ClientResolver(self.config.trusted_proxies)
        self.rechecks = Rechecks(self.config.recheck_interval_seconds)

    @property
    def is_full(self) -> bool:
        """Whether as many requests are under way as may be."""
        return self.at_work >= self.config.max_requests

    def refused(self) -> None:
        """Report a request that was refused because there are too many."""
        self.observer.operation("unknown", OVERLOADED, 0.0)
        self._refused.warn("%d requests are under way, further ones are refused", self.at_work)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count one more request while inside. Raises `GatewayError` where there are too many."""
        if self.is_full:
            self.refused()
            raise GatewayError("Too many requests are under way; try again.", code=OVERLOADED)
        self.at_work += 1
        try:
            yield
        finally:
            self.at_work -= 1

    def respond(self, exchange: Exchange, body: bytes) -> Coroutine[Any, Any, None]:
        """Send an answer in one piece, packed where that is set up."""
        # No coroutine of its own: it is on every request's way.
        return (
            exchange.respond(200, body) if self.compression is None else self._packed(self.compression, exchange, body)
        )

    async def _packed(self, compression: Compression, exchange: Exchange, body: bytes) -> None:
        packed, headers = await compression.pack(exchange.headers.get("accept-encoding"), body)
        exchange.extra += headers
        await exchange.respond(200, packed)

    def begin(self, exchange: Exchange) -> bool:
        """Count one more request, until `end`; False where there are too many."""
        if self.is_full:
            self.refused()
            return False
        self.at_work += 1
        exchange.at_work = True
        return True

    def end(self, exchange: Exchange) -> None:
        """The request is answered, or is a stream from now on, which has limits of its own."""
        if exchange.at_work:
            exchange.at_work = False
            self.at_work -= 1

    def use(self, config: TransportConfig, identity: Identity, origins: OriginPolicy) -> None:
        """Take another configuration from now on. Open sockets and streams keep what they began with."""
        self.config, self.identity, self.origins = config, identity, origins

    def subscribing(self, context: RequestContext, client: Client) -> "Subscribing":
        """Count one more subscription while inside.

        Raises `GatewayError` where there are too many, over all transports together.
        """
        return Subscribing(self, context.subject, client)

    def socket_of(self, client: Client) -> "Counted":
        """Count one more socket of the client's address while inside; yields whether it may have another one."""
        return Counted(self.clients, self.sockets_by_network, client, self.config.websocket.max_sockets_per_address)

    def ended(self, kind: str, started: float, result: ExecutionResult) -> str:
        """Report an operation that gave a result. Returns its outcome, `ok` or `partial`."""
        outcome = "ok" if not result.errors else "partial"
        self.observer.operation(kind, outcome, time.perf_counter() - started)
        return outcome

    def failed(self, kind: str, started: float, code: str) -> None:
        """Report an operation that gave none."""
        self.observer.operation(kind, code, time.perf_counter() - started)

    async def to_the_end(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Await `work`, which goes on even if the waiting is cancelled because the client has gone.

        A mutation must not stop halfway.
        """
        task = asyncio.get_running_loop().create_task(work)
        self.unattended.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self.unattended.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.debug("a mutation failed", exc_info=task.exception())


def _count_down(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


# Classes, as a generator's frame would be held as long as a socket or subscription is open.


class Counted:
    """Counts one more of a client's network while inside; gives whether it may have another one."""

    __slots__ = ("_counter", "_is_counted", "_is_trusted", "_maximum", "_network")

    def __init__(self, clients: ClientResolver, counter: Counter[str], client: Client, maximum: int) -> None:
        self._counter, self._maximum, self._network = counter, maximum, client.network
        self._is_counted = False
        #: A proxy that doesn't say for whom it asks.
        self._is_trusted = client.address is not None and clients.trusts(client.address)

    def __enter__(self) -> bool:
        if self._is_trusted:
            return True
        if self._counter[self._network] >= self._maximum:
            return False
        self._counter[self._network] += 1
        self._is_counted = True
        return True

    def __exit__(self, *_: object) -> None:
        if self._is_counted:
            self._is_counted = False
            _count_down(self._counter, self._network)


class Subscribing:
    """See `Core.subscribing`."""

    __slots__ = ("_core", "_of_network", "_subject")

    def __init__(self, core: Core, subject: str | None, client: Client) -> None:
        self._core, self._subject = core, subject
        maximum = core.config.max_subscriptions_per_address
        self._of_network = Counted(core.clients, core.subscriptions_by_network, client, maximum)

    def __enter__(self) -> None:
        core, config, subject = self._core, self._core.config, self._subject
        if core.subscriptions >= config.max_subscriptions:
            raise GatewayError("Too many subscriptions are running here; try again.", code=OVERLOADED)
        if subject is not None and core.subscribers[subject] >= config.max_subscriptions_per_caller:
            maximum = config.max_subscriptions_per_caller
            raise GatewayError(f"A caller may have {maximum} subscriptions at a time.", code=errors.LIMIT_EXCEEDED)
        if not self._of_network.__enter__():
            maximum = config.max_subscriptions_per_address
            raise GatewayError(f"An address may have {maximum} subscriptions at a time.", code=errors.LIMIT_EXCEEDED)
        core.subscriptions += 1
        if subject is not None:
            core.subscribers[subject] += 1
        core.observer.subscriptions(+1)

    def __exit__(self, *_: object) -> None:
        core = self._core
        core.observer.subscriptions(-1)
        core.subscriptions -= 1
        if self._subject is not None:
            _count_down(core.subscribers, self._subject)
        self._of_network.__exit__()
