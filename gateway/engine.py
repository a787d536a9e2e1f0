"""A supergraph and ways to its subgraphs -> `Gateway`: requests in, results out; one operation cache for each supergraph."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from gateway import errors
from gateway.errors import ErrorEntry, GatewayError, RequestError, SubgraphError, SupergraphError
from gateway.executor import ExecutionResult, Runtime, execute, subscribe
from gateway.operation import Limits, Operation, coerce_variables, prepare
from gateway.plan import Plan
from gateway.planner import build_plan
from gateway.supergraph import Supergraph
from gateway.upstream import AsgiClient, HttpClient
from gateway.upstream.events import EventSource
from gateway.upstream.port import SubgraphClient, SubgraphRequest

logger = logging.getLogger(__name__)

OVERLOADED: Final = "OVERLOADED"
COMPOSITION_FAILED: Final = "COMPOSITION_FAILED"


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asks, free of how it came."""

    query: str
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


def _no_headers(_subgraph: str) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class RequestContext:
    """On whose behalf, one for each request.

    `subgraph_headers` gives the headers of each subgraph's requests, `subject` is `@subject` of event conditions.

    `response_headers` fills with every subgraph's response headers as (subgraph, lower-case name, value).
    """

    subgraph_headers: Callable[[str], Mapping[str, str]] = _no_headers
    subject: str | None = None
    response_headers: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of one `Gateway`. Times are in seconds."""

    #: Operations kept ready, by number and by characters of their documents, whichever comes first.
    cache_entries: int = 2_000
    cache_characters: int = 16_000_000
    #: Parsing, validating and planning run in threads of their own: at most so many, so many waiting, so long.
    planning_threads: int = 2
    planning_backlog: int = 200
    planning_timeout: float = 5.0
    #: A query or mutation as a whole, one event of a subscription, and one request to a subgraph.
    operation_timeout: float = 30.0
    subgraph_timeout: float = 15.0
    #: Entries of `errors` in one response; more are counted.
    max_errors: int = 50
    #: What one document may ask (depth, aliases, tokens, …).
    operation: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class CacheStatistics:
    """Counts since the gateway began."""

    hits: int = 0
    misses: int = 0
    failures: int = 0


class CompositionError(GatewayError):
    """The subgraphs don't compose; `errors` are composition's own, with subgraph, type, field and line."""

    code = COMPOSITION_FAILED

    def __init__(self, found: Sequence[Any]) -> None:
        super().__init__("The subgraphs do not compose:\n" + "\n".join(f"  {error}" for error in found))
        self.errors = tuple(found)


@dataclass(frozen=True, slots=True)
class SubgraphSource:
    """A subgraph's SDL, and one way to reach it: a client, an ASGI app in this process, or a URL."""

    sdl: str
    url: str | None = None
    app: Any = None
    client: SubgraphClient | None = None
    #: Where the ASGI app has its GraphQL endpoint.
    path: str = "/graphql"

    def connect(self, name: str) -> SubgraphClient:
        """The client, made where only an app or a URL was given."""
        if self.client is not None:
            return self.client
        if self.app is not None:
            return AsgiClient(name, self.app, path=self.path)
        if self.url is not None:
            return HttpClient(name, self.url)
        raise ValueError(f"Subgraph {name!r} has neither a client, nor an app, nor a URL.")


class _Generation:
    """One supergraph, its clients and its cache. Operations hold on to theirs until they end."""

    def __init__(self, supergraph: Supergraph, clients: Mapping[str, SubgraphClient]) -> None:
        missing = sorted(g.name for g in supergraph.graphs.values() if g.name not in clients)
        if missing:
            raise GatewayError(f"No client for subgraph {', '.join(missing)}.", code=errors.INVALID_SUPERGRAPH)
        self.supergraph = supergraph
        self.clients = dict(clients)
        #: The same, seen through whatever measures them.
        self.callers: Mapping[str, SubgraphClient] = self.clients
        self.schema = supergraph.api_schema
        self.cache: OrderedDict[tuple[str, str | None], Prepared] = OrderedDict()
        self.characters = 0
        self.in_flight: dict[tuple[str, str | None], asyncio.Future[Prepared]] = {}
        self.running = 0
        self.retired = False

    def make(self, query: str, operation_name: str | None, limits: Limits) -> "Prepared":
        operation = prepare(self.schema, query, operation_name, limits)
        return Prepared(operation, build_plan(self.supergraph, operation), self)

    def keep(self, key: tuple[str, str | None], prepared: "Prepared", limits: EngineLimits) -> None:
        self.cache[key] = prepared
        self.characters += len(key[0])
        while len(self.cache) > limits.cache_entries or (self.characters > limits.cache_characters and self.cache):
            (query, _), _ = self.cache.popitem(last=False)
            self.characters -= len(query)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation that is ready to run, on the supergraph it was planned for."""

    operation: Operation
    plan: Plan
    generation: _Generation = field(repr=False)


class Gateway:
    """One supergraph at a time, and its caches. Safe for any number of concurrent requests on one event loop."""

    def __init__(
        self,
        supergraph: Supergraph,
        clients: Mapping[str, SubgraphClient],
        *,
        event_source: EventSource | None = None,
        limits: EngineLimits | None = None,
    ) -> None:
        self._limits = limits or EngineLimits()
        self._current = _Generation(supergraph, clients)
        self._event_source = event_source
        self._threads = ThreadPoolExecutor(self._limits.planning_threads, thread_name_prefix="gateway-plan")
        self._closing: set[asyncio.Task[None]] = set()
        self._wrap: Callable[[str, SubgraphClient], SubgraphClient] | None = None
        self.cache_statistics = CacheStatistics()

    @classmethod
    def from_subgraphs(
        cls,
        subgraphs: Mapping[str, SubgraphSource],
        *,
        event_source: EventSource | None = None,
        limits: EngineLimits | None = None,
    ) -> "Gateway":
        """Compose, and serve the result. Raises `CompositionError`."""
        supergraph = compose_sources(subgraphs)
        clients = {name: source.connect(name) for name, source in subgraphs.items()}
        return cls(supergraph, clients, event_source=event_source, limits=limits)

    @classmethod
    def from_supergraph(cls, sdl: str, addresses: Mapping[str, str] | None = None, **options: Any) -> "Gateway":
        """Serve a supergraph SDL made anywhere; subgraphs are at the URLs in it, or in `addresses`. Raises `SupergraphError`."""
        supergraph = Supergraph.from_sdl(sdl)
        urls = {graph.name: graph.url for graph in supergraph.graphs.values()}
        unknown = sorted(set(addresses or ()) - set(urls))
        if unknown:
            raise SupergraphError(f"The supergraph has no subgraph {', '.join(unknown)}; it has {', '.join(urls)}.")
        urls |= addresses or {}
        nowhere = sorted(name for name, url in urls.items() if not url.startswith(("http://", "https://")))
        if nowhere:
            raise SupergraphError(f"The supergraph has no http(s) URL for subgraph {', '.join(nowhere)}.")
        return cls(supergraph, {name: HttpClient(name, url) for name, url in urls.items()}, **options)

    @property
    def supergraph(self) -> Supergraph:
        """What new operations run on."""
        return self._current.supergraph

    @property
    def cached_operations(self) -> int:
        """How many operations are kept ready."""
        return len(self._current.cache)

    def wrap_clients(self, wrap: Callable[[str, SubgraphClient], SubgraphClient]) -> None:
        """Put something in front of every subgraph's client (`wrap(name, client)`), now and after each `replace`."""
        self._wrap = wrap
        self._wrapped(self._current)

    def _wrapped(self, generation: _Generation) -> _Generation:
        if self._wrap is not None:
            generation.callers = {name: self._wrap(name, client) for name, client in generation.clients.items()}
        return generation

    async def prepare(self, query: str, operation_name: str | None = None) -> Prepared:
        """Parsed, validated and planned, from the cache when it can be. Raises `RequestError` and other `GatewayError`s."""
        generation, key = self._current, (query, operation_name)
        prepared = generation.cache.get(key)
        if prepared is not None:
            generation.cache.move_to_end(key)
            self.cache_statistics.hits += 1
            return prepared
        return await self._plan(generation, key)

    async def _plan(self, generation: _Generation, key: tuple[str, str | None]) -> Prepared:
        self.cache_statistics.misses += 1
        future = generation.in_flight.get(key)
        if future is None:
            if len(generation.in_flight) >= self._limits.planning_backlog:
                raise GatewayError("Too many new operations are being planned; try again.", code=OVERLOADED)
            loop = asyncio.get_running_loop()
            # Always in a thread: a document of 500 characters can cost 150 ms to validate, and its length does not tell.
            future = loop.run_in_executor(self._threads, generation.make, *key, self._limits.operation)
            generation.in_flight[key] = future
            future.add_done_callback(lambda done: self._planned(generation, key, done))
        # `wait` leaves the shared future alone when this request is cancelled or runs out of time.
        done, _ = await asyncio.wait({future}, timeout=self._limits.planning_timeout)
        if not done:
            raise GatewayError(
                f"Planning took longer than {self._limits.planning_timeout:g} s.", code=errors.LIMIT_EXCEEDED
            )
        try:
            return future.result()
        except GatewayError as error:
            # One exception serves every request that waited; its traceback must not grow with each.
            raise error.with_traceback(None) from None

    def _planned(self, generation: _Generation, key: tuple[str, str | None], done: asyncio.Future[Prepared]) -> None:
        generation.in_flight.pop(key, None)
        if done.cancelled():
            return
        if done.exception() is None:
            generation.keep(key, done.result(), self._limits)
        else:
            self.cache_statistics.failures += 1

    async def execute(self, request: GraphQLRequest, context: RequestContext | None = None) -> ExecutionResult:
        """Run a query or mutation. Raises `RequestError` when it can't be executed at all; never for a subgraph's fault."""
        prepared = await self.prepare(request.query, request.operation_name)
        return await self.run(prepared, request.variables, context)

    async def run(
        self, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None = None
    ) -> ExecutionResult:
        """`execute` for an operation that is prepared already."""
        if prepared.operation.kind == "subscription":
            raise _request_error("A subscription gives many results: use `subscribe`.")
        coerced = coerce_variables(prepared.operation, variables)
        generation = prepared.generation
        generation.running += 1
        try:
            return await execute(prepared.plan, prepared.operation, coerced, self._runtime(generation, context))
        finally:
            self._ended(generation)

    async def subscribe(
        self, request: GraphQLRequest, context: RequestContext | None = None
    ) -> AsyncIterator[ExecutionResult]:
        """Results until the subscription completes; close the iterator to end it. Raises `RequestError` at once or never."""
        prepared = await self.prepare(request.query, request.operation_name)
        return self.stream(prepared, request.variables, context)

    def stream(
        self, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None = None
    ) -> AsyncIterator[ExecutionResult]:
        """`subscribe` for an operation that is prepared already."""
        if prepared.operation.kind != "subscription":
            raise _request_error("Only a subscription can be subscribed to.")
        coerced = coerce_variables(prepared.operation, variables)
        return self._results(prepared, coerced, context)

    async def _results(
        self, prepared: Prepared, variables: dict[str, Any], context: RequestContext | None
    ) -> AsyncIterator[ExecutionResult]:
        generation = prepared.generation
        generation.running += 1
        results = subscribe(prepared.plan, prepared.operation, variables, self._runtime(generation, context))
        try:
            async for result in results:
                yield result
                if context is not None:
                    # A subscription may live for days: nobody reads the headers of past events.
                    context.response_headers.clear()
        finally:
            close = getattr(results, "aclose", None)
            if close is not None:
                await close()
            self._ended(generation)

    def _runtime(self, generation: _Generation, context: RequestContext | None) -> Runtime:
        context = context or RequestContext()
        return Runtime(
            clients=generation.callers,
            headers=context.subgraph_headers,
            event_source=self._event_source,
            subject=context.subject,
            timeout=self._limits.operation_timeout,
            subgraph_timeout=self._limits.subgraph_timeout,
            max_errors=self._limits.max_errors,
            response_headers=context.response_headers,
        )

    async def replace(self, supergraph: Supergraph, clients: Mapping[str, SubgraphClient] | None = None) -> None:
        """Serve another supergraph from now on. Running operations and subscriptions end on the one they began on.

        Without `clients` the present ones go on; clients that the new ones leave out are closed when nothing uses them any more.
        """
        old = self._current
        new = await asyncio.to_thread(_Generation, supergraph, old.clients if clients is None else clients)
        self._current = self._wrapped(new)
        old.retired = True
        if not old.running:
            self._retire(old)

    def _ended(self, generation: _Generation) -> None:
        generation.running -= 1
        if generation.retired and not generation.running:
            self._retire(generation)

    def _retire(self, generation: _Generation) -> None:
        kept = {id(client) for client in self._current.clients.values()}
        left = [client for client in generation.clients.values() if id(client) not in kept]
        if left:
            task = asyncio.get_running_loop().create_task(_close(left))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close clients and threads. Call it when no request runs any more."""
        await _close(list(self._current.clients.values()))
        if self._closing:
            await asyncio.wait(set(self._closing), timeout=5)
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _close(clients: Sequence[SubgraphClient]) -> None:
    for client in clients:
        try:
            async with asyncio.timeout(5):
                await client.aclose()
        except Exception:
            logger.exception("closing a subgraph client failed")


def _request_error(message: str) -> RequestError:
    return RequestError([ErrorEntry(message, errors.BAD_REQUEST)])


def compose_sources(subgraphs: Mapping[str, SubgraphSource]) -> Supergraph:
    """The supergraph of these subgraphs. Raises `CompositionError`; hints are logged."""
    # Here, as a gateway that is given its supergraph starts faster without.
    from gateway.composition import Subgraph, compose

    composition = compose([Subgraph(name=n, url=s.url, sdl=s.sdl) for n, s in subgraphs.items()])
    for hint in composition.hints:
        logger.info("composition hint: %s", hint)
    if composition.supergraph is None:
        raise CompositionError(composition.errors)
    return composition.supergraph


async def fetch_sdl(name: str, client: SubgraphClient, patience: float = 10.0) -> str:
    """A running subgraph's SDL, by `_service { sdl }` of the federation specification. Raises `SubgraphError`."""
    request = SubgraphRequest("query SubgraphSdl { _service { sdl } }", operation_name="SubgraphSdl", timeout=patience)
    response = await client.execute(request)
    sdl: Any = None
    with suppress(TypeError, KeyError):
        sdl = (response.data or {})["_service"]["sdl"]
    if not isinstance(sdl, str):
        reason = response.errors[0].get("message") if response.errors else "it has no `_service { sdl }`"
        raise SubgraphError(name, f"{name} gives no SDL: {reason}", code=errors.SUBGRAPH_INVALID_RESPONSE)
    return sdl
