"""Counts and times of the gateway -> Prometheus metrics. Each server has a registry of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from botberi_gateway.engine import Gateway
from botberi_gateway.errors import GatewayError
from botberi_gateway.plan import OperationKind
from botberi_gateway.schema_delivery import DeliveryStatus
from botberi_gateway.server.reloading import ReloadStatus
from botberi_gateway.server.tally import Counts, Durations
from botberi_gateway.upstream.breaker import CircuitState
from botberi_gateway.upstream.http import HttpClient
from botberi_gateway.upstream.port import Answer, EncodedClient, SubgraphClient, SubgraphRequest, SubgraphResponse

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The transport's `Observer`, the wrapper that times each subgraph's client, and the text of `/metrics`."""

    def __init__(
        self, gateway: Gateway, delivery: DeliveryStatus | None = None, reloads: ReloadStatus | None = None
    ) -> None:
        self.registry = CollectorRegistry()
        self._operations = Counts(
            "gateway_operations",
            "Operations by kind and outcome (ok, partial, client_gone or an error code).",
            ("kind", "outcome"),
        )
        self._durations = Durations(
            "gateway_operation_duration_seconds", "From the request's arrival to its result.", "kind"
        )
        self.subgraph_requests = Counts(
            "gateway_subgraph_requests",
            "Requests to subgraphs by outcome (ok, errors, cancelled or an error code).",
            ("subgraph", "outcome"),
        )
        self.subgraph_durations = Durations(
            "gateway_subgraph_request_duration_seconds",
            "From the gateway's request to the subgraph's parsed answer.",
            "subgraph",
        )
        self._shared = Counts(
            "gateway_shared_requests",
            'Requests that got the answer of an equal one under way: of whole queries (subgraph ""), and to subgraphs.',
            ("subgraph",),
        )
        for family in (
            self._operations,
            self._durations,
            self.subgraph_requests,
            self.subgraph_durations,
            self._shared,
        ):
            self.registry.register(family)
        self._subscriptions = Gauge(
            "gateway_subscriptions_active", "Subscriptions that clients have open.", registry=self.registry
        )
        self._sockets = Gauge("gateway_websockets_open", "Open WebSockets.", registry=self.registry)
        self.registry.register(_CacheCollector(gateway))
        self.registry.register(_TrafficCollector(gateway))
        if delivery is not None:
            self.registry.register(_DeliveryCollector(delivery))
        if reloads is not None:
            self.registry.register(_ReloadCollector(reloads))
        gateway.wrap_clients(lambda name, client: measured(name, client, self))

    def operation(self, kind: str, outcome: str, seconds: float) -> None:
        """Implements the transport's `Observer`."""
        self._operations.add(kind, outcome)
        if kind != "subscription":
            self._durations.series(kind).observe(seconds)

    def shared(self, subgraph: str = "") -> None:
        """Count a query that shared an answer (`Observer`), or with a name a request to that subgraph."""
        self._shared.add(subgraph)

    def subscriptions(self, change: int) -> None:
        """Implements the transport's `Observer`."""
        self._subscriptions.inc(change)

    def sockets(self, change: int) -> None:
        """Implements the transport's `Observer`."""
        self._sockets.inc(change)

    def text(self) -> bytes:
        """The page that a scrape gets."""
        return generate_latest(self.registry)


class _CacheCollector(Collector):
    """Reads the engine's own counts when it is scraped."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        """Implements prometheus_client's `Collector`."""
        counts = self._gateway.cache_statistics
        family = CounterMetricFamily("gateway_plan_cache_requests", "Look-ups of operations.", labels=["result"])
        family.add_metric(["hit"], counts.hits)
        family.add_metric(["miss"], counts.misses)
        family.add_metric(["failure"], counts.failures)
        yield family
        yield self._executions()
        yield GaugeMetricFamily("gateway_processes", "Processes that serve.", value=1)
        size = self._gateway.cached_operations
        yield GaugeMetricFamily("gateway_plan_cache_entries", "Operations kept ready.", value=size)
        lost = int(self._gateway.is_event_source_lost)
        yield GaugeMetricFamily("gateway_event_source_lost", "1 while an event source is lost.", value=lost)

    def _executions(self) -> Metric:
        counts = self._gateway.execution_statistics
        family = CounterMetricFamily(
            "gateway_executions",
            "Operations by what executed them; the reason says why the interpreter had to.",
            labels=["executor", "reason"],
        )
        family.add_metric(["typed", ""], counts.typed)
        family.add_metric(["compiled", ""], counts.compiled - counts.typed_bail_outs)
        family.add_metric(["compiled", "an answer that a typed program can't read"], counts.typed_bail_outs)
        for reason, count in counts.interpreted.items():
            family.add_metric(["interpreter", reason], count)
        for reason, count in counts.bail_outs.items():
            family.add_metric(["compiled, then interpreter", reason], count)
        return family


class _TrafficCollector(Collector):
    """Reads what the rules for traffic to subgraphs did, when it is scraped."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        """Implements prometheus_client's `Collector`."""
        circuits = GaugeMetricFamily(
            "gateway_subgraph_circuit_open",
            "1 while the circuit breaker of a subgraph is open or half open.",
            labels=["subgraph"],
        )
        retries = CounterMetricFamily(
            "gateway_subgraph_retries", "Requests to a subgraph that were sent again.", labels=["subgraph"]
        )
        for name, client in self._gateway.clients.items():
            traffic = client.traffic if isinstance(client, HttpClient) else None
            if traffic is None:
                continue
            retries.add_metric([name], traffic.retries.count)
            if traffic.breaker is not None:
                circuits.add_metric([name], int(traffic.breaker.state is not CircuitState.CLOSED))
        yield circuits
        yield retries


class _DeliveryCollector(Collector):
    """Reads how the delivery of the graph stands when it is scraped."""

    def __init__(self, status: DeliveryStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Implements prometheus_client's `Collector`."""
        status = self._status
        updates = CounterMetricFamily("gateway_schema_updates", "Graphs that came after the first.", labels=["outcome"])
        updates.add_metric(["applied"], status.applied)
        updates.add_metric(["refused"], status.refusals)
        yield updates
        refused = int(status.refused is not None)
        yield GaugeMetricFamily("gateway_schema_refused", "1 while the newest graph isn't served.", value=refused)
        stale = len(status.unavailable)
        yield GaugeMetricFamily(
            "gateway_schema_unavailable", "SDLs that can't be read now; their last ones are served.", value=stale
        )


class _ReloadCollector(Collector):
    """Reads how the configuration stands when it is scraped."""

    def __init__(self, status: ReloadStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Implements prometheus_client's `Collector`."""
        status = self._status
        reloads = CounterMetricFamily(
            "gateway_configuration_reloads", "Times that the configuration was read again.", labels=["outcome"]
        )
        reloads.add_metric(["applied"], status.applied)
        reloads.add_metric(["refused"], status.refusals)
        yield reloads
        refused = int(status.refused is not None)
        yield GaugeMetricFamily(
            "gateway_configuration_refused", "1 while the newest configuration isn't in use.", value=refused
        )


def measured(name: str, client: SubgraphClient, metrics: Metrics) -> SubgraphClient:
    """The client in a wrapper that counts and times its requests."""
    if isinstance(client, EncodedClient):
        return MeasuredEncodedClient(name, client, metrics)
    return MeasuredClient(name, client, metrics)


class MeasuredClient:
    """A subgraph's client, counted and timed."""

    def __init__(self, name: str, client: SubgraphClient, metrics: Metrics) -> None:
        self._client = client
        self._count = metrics.subgraph_requests
        self._name = name
        self._seconds = metrics.subgraph_durations.series(name)

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """Implements `SubgraphClient`."""
        started = time.perf_counter()
        try:
            response = await self._client.execute(request)
        except GatewayError as error:
            self._count.add(self._name, error.code)
            raise
        finally:
            self._seconds.observe(time.perf_counter() - started)
        self._count.add(self._name, "errors" if response.errors else "ok")
        return response

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """Implements `SubgraphClient`."""
        self._count.add(self._name, "subscription")
        return self._client.subscribe(request)

    async def aclose(self) -> None:
        """Implements `SubgraphClient`."""
        await self._client.aclose()


class MeasuredEncodedClient(MeasuredClient):
    """An `EncodedClient`, counted and timed."""

    def __init__(self, name: str, client: EncodedClient, metrics: Metrics) -> None:
        super().__init__(name, client, metrics)
        self._start = client.start

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """Implements `EncodedClient`."""
        started = time.perf_counter()
        future = self._start(body, kind, headers, timeout)
        if isinstance(future, Answer) and future.over is None and not future.done():
            future.began, future.over = started, self._answered
        else:
            future.add_done_callback(lambda done: self._over(done, started))
        return future

    def _answered(self, answer: Answer) -> None:
        self._over(answer, answer.began)

    def _over(self, done: asyncio.Future[SubgraphResponse], started: float) -> None:
        self._seconds.observe(time.perf_counter() - started)
        if done.cancelled():
            self._count.add(self._name, "cancelled")
            return
        error = done.exception()
        if error is None:
            self._count.add(self._name, "errors" if done.result().errors else "ok")
        elif isinstance(error, GatewayError):
            self._count.add(self._name, error.code)
