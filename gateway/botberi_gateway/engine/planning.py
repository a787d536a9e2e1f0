"""Parsing, validating and planning operations: once each, in threads, with a bounded cache for each supergraph."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, cast

from botberi_gateway import errors
from botberi_gateway.config import EngineConfig, OperationLimits
from botberi_gateway.engine.compiling import IdleCompiler
from botberi_gateway.engine.operation_cache import OperationCache
from botberi_gateway.errors import GatewayError, PlanningError, RequestError
from botberi_gateway.executor import Compiled, CompiledParts, Environment
from botberi_gateway.executor.compiled.variants import Compiler
from botberi_gateway.operation import Operation, prepare
from botberi_gateway.operation.cost import Cost
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.plan import Defer, EventTrigger, Plan, Subscription
from botberi_gateway.planner import build_plan
from botberi_gateway.query_graph import open_labels
from botberi_gateway.single_flight import SingleFlight
from botberi_gateway.subscriptions.live import FeedPlan
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.supergraph.features import check_enforced
from botberi_gateway.upstream.port import SubgraphClient

logger = logging.getLogger(__name__)

OVERLOADED: Final = "OVERLOADED"

#: Of an operation that is kept ready: of the smallest, for each character of its document and each line of its programs
#: (measured with tracemalloc: `tests/security/test_v11_memory_of_operations.py`).
_BYTES: Final = 6_000
_BYTES_PER_CHARACTER: Final = 60
_BYTES_PER_LINE: Final = 250

ResultT = TypeVar("ResultT")

#: Document text, operation name, active labels of progressive overrides.
Key: TypeAlias = tuple[str, str | None, frozenset[str]]


@dataclass(slots=True)
class CacheStatistics:
    """How often operations were looked up, counted since the gateway began."""

    hits: int = 0
    misses: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation that is ready to run, on the supergraph it was planned for."""

    operation: Operation
    #: For an answer in one piece.
    plan: Plan
    compiled: Compiled
    generation: "Generation" = field(repr=False)
    #: For an answer in parts, where the client defers something.
    deferred: CompiledParts | None = None
    #: The query of a subscription that a feed answers.
    feed: FeedPlan | None = None
    key: Key = ("", None, frozenset())
    #: The estimate of its answer, where that depends on variables; otherwise it was looked at beforehand.
    cost: Cost | None = None

    def estimate_bytes(self) -> int:
        """The memory that it takes, within a factor of two; its document and its programs are most of it."""
        lines = self.compiled.lines
        if self.deferred is not None:
            lines += self.deferred.lines
        if self.feed is not None:
            lines += self.feed.compiled.lines
        location = self.operation.document.loc
        characters = 0 if location is None else location.end
        return _BYTES + _BYTES_PER_CHARACTER * characters + _BYTES_PER_LINE * lines


class Generation:
    """One supergraph with its clients and its cache of operations.

    A running operation keeps the generation that it began on.
    """

    def __init__(
        self,
        supergraph: Supergraph,
        clients: Mapping[str, SubgraphClient],
        config: EngineConfig,
        allow_unenforced: Collection[str] = (),
    ) -> None:
        """Take a supergraph into service.

        Raises `SupergraphError` where it links security features that the gateway doesn't enforce, `GatewayError` where
        a client is missing.
        """
        for feature in check_enforced(supergraph, allow_unenforced):
            logger.warning("%s is served though this gateway does not enforce it: nothing is checked here", feature)
        missing = sorted(g.name for g in supergraph.graphs.values() if g.name not in clients)
        if missing:
            raise GatewayError(f"No client for subgraph {', '.join(missing)}.", code=errors.INVALID_SUPERGRAPH)
        self.supergraph = supergraph
        self.clients = dict(clients)
        #: The same, seen through whatever measures them.
        self.callers: Mapping[str, SubgraphClient] = self.clients
        #: What is the same for all requests on this supergraph; made when the first one runs.
        self.environment: Environment | None = None
        self.schema = supergraph.api_schema
        #: What one document may ask for.
        self.limits = config.operation
        #: Those of progressive overrides that each request decides.
        self.labels = open_labels(supergraph)
        self.cache: OperationCache[Key, Prepared] = OperationCache(config.max_cached_operations, config.max_cache_bytes)
        #: Operations that are being planned.
        self.in_flight: SingleFlight[Prepared] = SingleFlight()
        #: Operations and subscriptions that run on it, or will as soon as they are planned.
        self.running = 0

    def make(self, key: Key, limits: OperationLimits, compiler: Compiler | None) -> Prepared:
        """Parse, validate, plan; without a compiler for later, compile as well. Runs in a thread."""
        query, operation_name, labels = key
        operation = prepare(self.schema, query, operation_name, limits)
        estimate = Cost(operation, limits)
        cost = estimate if estimate.varies else None
        if cost is None:
            estimate.check({})
        plan = build_plan(self.supergraph, operation, labels=labels)
        if isinstance(plan.node, Subscription):
            return Prepared(
                operation, plan, Compiled(plan, operation), self, feed=self._feed(plan.node, labels), key=key, cost=cost
            )
        if not isinstance(plan.node, Defer):
            return Prepared(operation, plan, Compiled(plan, operation, compiler), self, cost=cost)
        whole = build_plan(self.supergraph, operation, labels=labels, defer=False)
        compiled = Compiled(whole, operation, compiler)
        return Prepared(operation, whole, compiled, self, CompiledParts(plan, operation, compiled), cost=cost)

    def _feed(self, node: Subscription, labels: frozenset[str]) -> FeedPlan | None:
        if not isinstance(node.primary, EventTrigger) or node.primary.feed is None:
            return None
        try:
            # The client's own document was checked; the levels that lead to its selection are the supergraph's.
            operation = prepare(self.schema, node.primary.feed.document, None, UNLIMITED)
        except RequestError as error:
            raise PlanningError(
                f"the feed of {node.primary.response_key} is no query of this API: {error.message}"
            ) from None
        return FeedPlan(Compiled(build_plan(self.supergraph, operation, labels=labels), operation), operation)


class Preparer:
    """Prepares operations: from the cache, or in a thread, once for all requests that wait for the same operation."""

    def __init__(self, config: EngineConfig, *, compiles_at_once: bool = False) -> None:
        """`compiles_at_once` leaves out the first runs by the interpreter."""
        self.config = config
        self._compiles_at_once = compiles_at_once
        self.idle_compiler = IdleCompiler(self.submit)
        self._threads = ThreadPoolExecutor(config.max_planning_threads, thread_name_prefix="gateway-plan")
        #: Programs that are being compiled, or wait for it.
        self._compiling = 0
        self.statistics = CacheStatistics()

    async def prepare(self, generation: Generation, key: Key) -> Prepared:
        """The operation of this key, ready to run. Raises `RequestError` and other `GatewayError`s."""
        prepared = generation.cache.get(key)
        if prepared is not None:
            self.statistics.hits += 1
            return prepared
        self.statistics.misses += 1
        # Counted as running: its clients must not be closed under an operation that is about to begin.
        generation.running += 1
        try:
            return await generation.in_flight.run(
                key, lambda: self._begin(generation, key), self.config.planning_timeout_seconds
            )
        except TimeoutError:
            raise self._too_long() from None
        finally:
            generation.running -= 1

    async def warm(self, generation: Generation, keys: Sequence[Key], timeout_seconds: float) -> None:
        """Prepare operations of another generation for this one, which isn't served yet; after the time, no more.

        One at a time: the other threads are for clients. What doesn't fit the new supergraph is left out.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                for query, operation_name, labels in keys:
                    # The labels that a request has decided which the new supergraph doesn't ask for don't count.
                    key = query, operation_name, labels & frozenset(generation.labels)
                    with suppress(GatewayError):
                        await generation.in_flight.run(key, partial(self._begin, generation, key), timeout_seconds)

    def use(self, config: EngineConfig) -> None:
        """Take another configuration from now on; the number of threads stays."""
        self.config = config

    async def compile(self, compiled: Compiled | CompiledParts, variables: Mapping[str, Any]) -> None:
        """Compile the program for these variables in a thread, where it doesn't exist yet.

        Raises `GatewayError` where too many wait or it takes too long.
        """
        future = compiled.ahead(variables, self.submit)
        if future is not None:
            done, _ = await asyncio.wait({future}, timeout=self.config.planning_timeout_seconds)
            if not done:
                raise self._too_long()

    async def work(self, function: Callable[[], ResultT]) -> ResultT:
        """Call `function` in a thread and return its result, where one request's work is too long for the event loop.

        Raises what `function` raises, and `GatewayError`.
        """
        future = self.submit(function)
        try:
            async with asyncio.timeout(self.config.planning_timeout_seconds):
                return cast(ResultT, await future)
        except TimeoutError:
            raise self._too_long() from None
        finally:
            del future  # the traceback holds this frame, which must not hold the future that holds the error

    def submit(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call `work` in a thread. Raises `GatewayError` where too much waits already."""
        if self._compiling >= self.config.max_planning_backlog:
            raise GatewayError("Too many new operations are being planned; try again.", code=OVERLOADED)
        self._compiling += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._compiled)
        return future

    def _compiled(self, _: asyncio.Future[Any]) -> None:
        self._compiling -= 1

    def _too_long(self) -> GatewayError:
        return GatewayError(
            f"Planning took longer than {self.config.planning_timeout_seconds:g} s.", code=errors.LIMIT_EXCEEDED
        )

    def _begin(self, generation: Generation, key: Key) -> asyncio.Future[Prepared]:
        if len(generation.in_flight) >= self.config.max_planning_backlog:
            raise GatewayError("Too many new operations are being planned; try again.", code=OVERLOADED)
        loop = asyncio.get_running_loop()
        compiler = None if self._compiles_at_once else _OperationCompiler(self, generation, key)
        # Always in a thread: a document of 500 characters can cost 150 ms to validate, and its length does not tell.
        future = loop.run_in_executor(self._threads, generation.make, key, generation.limits, compiler)
        future.add_done_callback(lambda done: self._planned(generation, key, done))
        return future

    def _planned(self, generation: Generation, key: Key, done: asyncio.Future[Prepared]) -> None:
        if done.cancelled():
            return
        if done.exception() is None:
            generation.cache.keep(key, done.result())
        else:
            self.statistics.failures += 1

    def close(self) -> None:
        """Cancel what waits for a thread."""
        self.idle_compiler.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _OperationCompiler:
    """A `Compiler` for one operation of the cache."""

    __slots__ = ("_generation", "_key", "_preparer", "max_interpreted_runs", "max_untyped_runs")

    def __init__(self, preparer: Preparer, generation: Generation, key: Key) -> None:
        self._preparer, self._generation, self._key = preparer, generation, key
        self.max_interpreted_runs = preparer.config.max_interpreted_runs
        self.max_untyped_runs = preparer.config.max_untyped_runs

    def later(self, work: Callable[[], Any], then: Callable[[Any], None]) -> bool:
        """See `Compiler`."""

        def compiled(result: Any) -> None:
            then(result)
            self._generation.cache.weigh(self._key)

        return self._preparer.idle_compiler.later(work, compiled)

    def now(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """See `Compiler`."""
        return self._preparer.submit(work)
