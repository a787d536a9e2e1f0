"""A supergraph and ways to its subgraphs -> `Gateway`: requests in, results out."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from botberi_gateway import errors
from botberi_gateway.config import EngineConfig
from botberi_gateway.engine.hooks import EngineHooks
from botberi_gateway.engine.introspecting import Introspector
from botberi_gateway.engine.labels import LabelResolver, decide_labels
from botberi_gateway.engine.planning import CacheStatistics, Generation, Prepared, Preparer
from botberi_gateway.engine.request import GraphQLRequest, RequestContext
from botberi_gateway.engine.sources import SubgraphSource, check_sources, compose_sources
from botberi_gateway.engine.subscriptions import Subscriptions
from botberi_gateway.errors import ErrorEntry, RequestError, SupergraphError
from botberi_gateway.event_sources import source_of
from botberi_gateway.executor import (
    Environment,
    ExecutionResult,
    ExecutionStatistics,
    ExecutorKind,
    Payload,
    Runtime,
    deliver,
)
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.result import refused
from botberi_gateway.operation import coerce_variables, has_many_values
from botberi_gateway.subscriptions.events import EventSource
from botberi_gateway.subscriptions.live import Events
from botberi_gateway.subscriptions.router import EventRouter
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream import HttpClient
from botberi_gateway.upstream.port import SubgraphClient

logger = logging.getLogger(__name__)

#: Seconds between two looks at whether the clients of a replaced supergraph can be closed.
_IDLE_CHECK_SECONDS: Final = 1.0
#: How long closing one client may take.
_CLOSE_TIMEOUT_SECONDS: Final = 5.0


class Gateway:
    """One supergraph at a time, and its caches. Safe for any number of concurrent requests on one event loop."""

    def __init__(
        self,
        supergraph: Supergraph,
        clients: Mapping[str, SubgraphClient],
        *,
        event_source: EventSource | None = None,
        config: EngineConfig | None = None,
        labels: LabelResolver | None = None,
        executor: ExecutorKind | None = None,
        allow_unenforced: Collection[str] = (),
        error_extensions: Collection[str] = (),
    ) -> None:
        """Make a gateway over a supergraph and a client for each of its subgraphs.

        Without `event_source` events come from the configuration's `event_source.url`, if it has one.

        `error_extensions` are keys of `extensions` in subgraphs' errors that clients get; they always get `code`.

        `allow_unenforced` names security features, such as `"authenticated"`, that the supergraph may link though this
        gateway doesn't enforce them. Both are added to what the configuration has; `executor` is in its place.

        Raises `SupergraphError` for a supergraph with other features that the gateway doesn't enforce, `ValueError` for
        an event source that can't be used.
        """
        self._config = config or EngineConfig()
        self._executor = executor or ExecutorKind(self._config.executor)
        self._own_unenforced = frozenset(allow_unenforced)
        self._own_error_extensions = frozenset(error_extensions)
        self._allow_unenforced = self._own_unenforced.union(self._config.allow_unenforced)
        self._error_extensions = self._own_error_extensions.union(self._config.error_extensions)
        #: How operations were executed.
        self.execution_statistics = ExecutionStatistics()
        self._label_resolver = labels
        self._subgraph_timeouts = {name: own.timeout_seconds for name, own in self._config.subgraphs.items()}
        self._current = Generation(supergraph, clients, self._config, self._allow_unenforced)
        source_config = self._config.event_source
        if event_source is None and source_config.url:
            event_source = source_of(source_config)
        self._event_router = EventRouter(event_source, source_config) if event_source is not None else None
        self._preparer = Preparer(self._config, compiles_at_once=executor is ExecutorKind.BOTH)
        self._introspector = Introspector(self._config)
        events = Events(self._event_router, asyncio.Semaphore(self._config.max_concurrent_events))
        self._subscriptions = Subscriptions(self._preparer, self._runtime, events)
        self._closing: set[asyncio.Task[None]] = set()
        self._hooks: EngineHooks | None = None
        self._wraps: list[Callable[[str, SubgraphClient], SubgraphClient]] = []
        self._on_replaced: list[Callable[[], None]] = []

    @classmethod
    def from_subgraphs(
        cls,
        subgraphs: Mapping[str, SubgraphSource],
        *,
        event_source: EventSource | None = None,
        config: EngineConfig | None = None,
        labels: LabelResolver | None = None,
        executor: ExecutorKind | None = None,
        allow_unenforced: Collection[str] = (),
        error_extensions: Collection[str] = (),
    ) -> "Gateway":
        """Compose, and serve the result. Raises `CompositionError`, `SupergraphError`."""
        supergraph = compose_sources(subgraphs)
        check_sources(subgraphs, {*allow_unenforced, *(config.allow_unenforced if config is not None else ())})
        clients = {name: source.connect(name, config) for name, source in subgraphs.items()}
        return cls(
            supergraph,
            clients,
            event_source=event_source,
            config=config,
            labels=labels,
            executor=executor,
            allow_unenforced=allow_unenforced,
            error_extensions=error_extensions,
        )

    @classmethod
    def from_supergraph(
        cls,
        sdl: str,
        addresses: Mapping[str, str] | None = None,
        *,
        config: EngineConfig | None = None,
        **options: Any,
    ) -> "Gateway":
        """Serve a supergraph SDL made anywhere; subgraphs are at the URLs in it, or in `addresses`.

        Raises `SupergraphError`.
        """
        supergraph = Supergraph.from_sdl(sdl)
        urls = {graph.name: graph.url for graph in supergraph.graphs.values()}
        unknown = sorted(set(addresses or ()) - set(urls))
        if unknown:
            raise SupergraphError(f"The supergraph has no subgraph {', '.join(unknown)}; it has {', '.join(urls)}.")
        urls |= addresses or {}
        nowhere = sorted(name for name, url in urls.items() if not url.startswith(("http://", "https://")))
        if nowhere:
            raise SupergraphError(f"The supergraph has no http(s) URL for subgraph {', '.join(nowhere)}.")
        config = config or EngineConfig()
        clients = {
            name: HttpClient(name, url, config.subgraphs.get(name, config.subgraph)) for name, url in urls.items()
        }
        return cls(supergraph, clients, config=config, **options)

    @property
    def supergraph(self) -> Supergraph:
        """The supergraph that new operations run on."""
        return self._current.supergraph

    @property
    def clients(self) -> Mapping[str, SubgraphClient]:
        """The subgraphs' clients of new operations, by name, without what wraps them."""
        return self._current.clients

    @property
    def cache_statistics(self) -> CacheStatistics:
        """How often operations were looked up, and found, since the gateway began."""
        return self._preparer.statistics

    @property
    def cached_operations(self) -> int:
        """How many operations are kept ready (parsed, validated, planned)."""
        return len(self._current.cache)

    @property
    def is_event_source_lost(self) -> bool:
        """Whether subscriptions wait for an event source to come back."""
        return self._event_router is not None and self._event_router.interrupted

    def wrap_clients(self, wrap: Callable[[str, SubgraphClient], SubgraphClient]) -> None:
        """Replace every subgraph's client by `wrap(name, client)`, now and after each `replace`.

        What a later call adds stands in front of what an earlier one added; the same `wrap` counts once.
        """
        if wrap in self._wraps:
            return
        self._wraps.append(wrap)
        self._wrapped(self._current)

    def use_hooks(self, hooks: EngineHooks) -> None:
        """Call these around each operation from now on. A gateway has one set of hooks."""
        if self._hooks is not None:
            raise ValueError("The gateway has hooks already.")
        self._hooks = hooks

    def on_replaced(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each `replace`, as soon as nothing runs on the old supergraph any more."""
        self._on_replaced.append(callback)

    def _wrapped(self, generation: Generation) -> Generation:
        callers = dict(generation.clients)
        for wrap in self._wraps:
            callers = {name: wrap(name, client) for name, client in callers.items()}
        generation.callers = callers
        generation.environment = None  # its clients have changed
        return generation

    async def prepare(
        self, query: str, operation_name: str | None = None, context: RequestContext | None = None
    ) -> Prepared:
        """Parse, validate and plan a document, or take the result from the cache.

        `context` is for the labels of progressive overrides, which are decided here, once for the request. Raises
        `RequestError` and other `GatewayError`s.
        """
        generation = self._current
        labels = generation.labels
        if labels:
            timeout = self._config.label_timeout_seconds
            labels = await decide_labels(labels, context or RequestContext(), self._label_resolver, timeout)
        prepared = await self._preparer.prepare(generation, (query, operation_name, labels))
        if self._hooks is not None:
            await self._hooks.planned(prepared)
        return prepared

    async def execute(self, request: GraphQLRequest, context: RequestContext | None = None) -> ExecutionResult:
        """Run a query or mutation.

        Raises `RequestError` when it can't be executed at all; never for a subgraph's fault.
        """
        prepared = await self.prepare(request.query, request.operation_name, context)
        return await self.run(prepared, request.variables, context)

    def run(
        self, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None = None
    ) -> Coroutine[Any, Any, ExecutionResult]:
        """`execute` for an operation that is prepared already."""
        # No coroutine of its own: it is on every request's way.
        if self._hooks is None:
            return self._run(prepared, variables, context)
        return self._hooked(self._hooks, prepared, variables, context)

    async def _hooked(
        self, hooks: EngineHooks, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None
    ) -> ExecutionResult:
        variables = await hooks.begin(prepared, variables, context)
        return await hooks.response(prepared, context, await self._run(prepared, variables, context))

    async def _run(
        self, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None
    ) -> ExecutionResult:
        if prepared.operation.kind == "subscription":
            raise _request_error("A subscription gives many results: use `subscribe`.")
        generation = prepared.generation
        generation.running += 1
        try:
            if variables and has_many_values(variables):
                coerced = await self._preparer.work(partial(_coerced, prepared, variables))
            else:
                coerced = coerce_variables(prepared.operation, variables)
                if prepared.cost is not None:
                    prepared.cost.check(coerced)
            runtime = self._runtime(generation, context)
            if prepared.operation.introspects:
                runtime.introspection = await self._introspector.introspection(prepared.operation, coerced)
            return _with_headers(await prepared.compiled.execute(coerced, runtime), runtime)
        finally:
            generation.running -= 1

    def deliver(
        self, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None = None
    ) -> AsyncGenerator[Payload, None]:
        """Run a query or mutation and yield its payloads: what the client defers comes in later ones.

        Closing the iterator cancels what is under way. Raises `RequestError` at once; for very many variables when the
        first payload is asked for.
        """
        if prepared.operation.kind == "subscription":
            raise _request_error("A subscription gives many results: use `subscribe`.")
        if self._hooks is not None:
            return self._hooked_payloads(self._hooks, prepared, variables, context)
        if has_many_values(variables):
            return self._payloads(prepared, partial(_coerced, prepared, variables), context)
        return self._payloads(prepared, _coerced(prepared, variables), context)

    async def _hooked_payloads(
        self, hooks: EngineHooks, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None
    ) -> AsyncGenerator[Payload, None]:
        if hooks.needs_whole_answers:
            yield Payload(await self.run(prepared, variables, context))
            return
        variables = await hooks.begin(prepared, variables, context)
        coerce = partial(_coerced, prepared, variables)
        async with aclosing(self._payloads(prepared, coerce, context)) as payloads:
            async for payload in payloads:
                yield payload

    async def _payloads(
        self,
        prepared: Prepared,
        coerced: dict[str, Any] | Callable[[], dict[str, Any]],
        context: RequestContext | None,
    ) -> AsyncGenerator[Payload, None]:
        generation = prepared.generation
        generation.running += 1
        try:
            variables = await self._preparer.work(coerced) if callable(coerced) else coerced
            parts = prepared.deferred
            if parts is not None and self._executor is not ExecutorKind.INTERPRETED:
                await self._preparer.compile(parts, variables)
            runtime = self._runtime(generation, context)
            if prepared.operation.introspects:
                runtime.introspection = await self._introspector.introspection(prepared.operation, variables)
            if parts is None:
                yield Payload(_with_headers(await prepared.compiled.execute(variables, runtime), runtime))
                return
            begun = False
            try:
                async with aclosing(deliver(parts.plan, prepared.operation, variables, runtime, parts)) as payloads:
                    async for payload in payloads:
                        begun = True
                        if payload.result is not None:
                            _with_headers(payload.result, runtime)
                        yield payload
            except ResponseTooLarge as error:
                if begun:
                    raise
                yield Payload(_with_headers(refused(error), runtime))
        finally:
            generation.running -= 1

    async def subscribe(
        self, request: GraphQLRequest, context: RequestContext | None = None
    ) -> AsyncIterator[ExecutionResult]:
        """Yield results until the subscription completes; closing the iterator ends it.

        Raises `RequestError` before the first result, or never.
        """
        prepared = await self.prepare(request.query, request.operation_name, context)
        return self.stream(prepared, request.variables, context)

    def stream(
        self, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None = None
    ) -> AsyncIterator[ExecutionResult]:
        """`subscribe` for an operation that is prepared already."""
        if prepared.operation.kind != "subscription":
            raise _request_error("Only a subscription can be subscribed to.")
        if self._hooks is not None:
            return self._hooked_results(self._hooks, prepared, variables, context)
        coerce = partial(_coerced, prepared, variables)
        return self._subscriptions.results(
            prepared, variables, context, coerce if has_many_values(variables) else coerce()
        )

    async def _hooked_results(
        self, hooks: EngineHooks, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        variables = await hooks.begin(prepared, variables, context)
        coerce = partial(_coerced, prepared, variables)
        results = self._subscriptions.results(prepared, variables, context, coerce)
        try:
            async for result in results:
                yield await hooks.event(prepared, context, result)
        finally:
            await results.aclose()

    def _runtime(self, generation: Generation, context: RequestContext | None) -> Runtime:
        context = context or RequestContext()
        return Runtime(
            self._environment_of(generation),
            context.subgraph_headers,
            response_headers=[] if context.wants_response_headers else None,
        )

    def _environment_of(self, generation: Generation) -> Environment:
        if generation.environment is None:
            generation.environment = Environment(
                generation.callers,
                self._config,
                self._error_extensions,
                self._subgraph_timeouts,
                executor=self._executor,
                statistics=self.execution_statistics,
            )
        return generation.environment

    async def replace(
        self,
        supergraph: Supergraph,
        clients: Mapping[str, SubgraphClient] | None = None,
        *,
        config: EngineConfig | None = None,
        warm_operations: int = 0,
        warm_timeout_seconds: float = 10.0,
    ) -> None:
        """Serve another supergraph from now on.

        Running operations end on the supergraph that they began on. Subscriptions that an event source feeds go on with
        the new one; those of a subgraph keep their connection to it. A subscription that isn't valid any more ends with
        `SUBSCRIPTION_SCHEMA_RELOAD`.

        Without `clients` the present ones are kept. Clients that aren't among the new ones are closed when nothing uses
        them any more. With `config` its limits hold for what begins from now on.

        `warm_operations` that are in use are prepared for the new supergraph first, those that were used last before
        others, so that their next requests needn't wait; after `warm_timeout_seconds` it goes on without the rest.

        Raises `SupergraphError` for a supergraph with security features that the gateway doesn't enforce; then nothing
        changes.
        """
        old = self._current
        config = config or self._config
        allow_unenforced = self._own_unenforced.union(config.allow_unenforced)
        new = await asyncio.to_thread(
            Generation, supergraph, old.clients if clients is None else clients, config, allow_unenforced
        )
        if warm_operations:
            await self._preparer.warm(new, old.cache.latest(warm_operations), warm_timeout_seconds)
        if config is not self._config:
            self._config, self._allow_unenforced = config, allow_unenforced
            self._error_extensions = self._own_error_extensions.union(config.error_extensions)
            self._subgraph_timeouts = {name: own.timeout_seconds for name, own in config.subgraphs.items()}
            self._preparer.use(config)
            self._introspector.use(config)
        self._current = self._wrapped(new)
        self._introspector.forget()
        self._subscriptions.move_to(new)
        kept = {id(client) for client in new.clients.values()}
        left = [client for client in old.clients.values() if id(client) not in kept]
        if left or self._on_replaced:
            task = asyncio.get_running_loop().create_task(_close_when_idle(old, left, tuple(self._on_replaced)))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close clients and threads. Call it when no request runs any more."""
        await self._subscriptions.aclose()
        for task in self._closing:
            task.cancel()
        if self._closing:
            await asyncio.wait(set(self._closing), timeout=_CLOSE_TIMEOUT_SECONDS)
        await _close(list(self._current.clients.values()))
        self._preparer.close()
        self._introspector.close()


async def _close_when_idle(
    generation: Generation, clients: Sequence[SubgraphClient], then: Sequence[Callable[[], None]] = ()
) -> None:
    try:
        # Looked at now and then, as a subscription may live for days; twice, as an operation may be between two counts.
        idle = 0
        while idle < 2:
            await asyncio.sleep(_IDLE_CHECK_SECONDS)
            idle = idle + 1 if not generation.running else 0
    finally:
        await _close(clients)
    del generation
    for callback in then:
        callback()


async def _close(clients: Sequence[SubgraphClient]) -> None:
    for client in clients:
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                await client.aclose()
        except Exception:
            logger.exception("closing a subgraph client failed")


def _coerced(prepared: Prepared, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables, coerced to the types of the operation.

    Raises `RequestError`, also where they make the answer too large.
    """
    coerced = coerce_variables(prepared.operation, variables)
    if prepared.cost is not None:
        prepared.cost.check(coerced)
    return coerced


def _with_headers(result: ExecutionResult, runtime: Runtime) -> ExecutionResult:
    """The result, with the headers of subgraphs' answers that came until now."""
    if runtime.response_headers:
        result.response_headers = runtime.response_headers
    return result


def _request_error(message: str) -> RequestError:
    return RequestError([ErrorEntry(message, errors.BAD_REQUEST)])
