"""Requests and errors of one subgraph -> Prometheus' text at `/metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response


class SubgraphMetrics:
    """The counters of one subgraph, in a registry of their own: three subgraphs may share a process."""

    def __init__(self, subgraph: str) -> None:
        self.registry = CollectorRegistry()
        labels = {"subgraph": subgraph}
        self._requests = Counter(
            "botberi_subgraph_requests", "GraphQL requests by outcome.", ["subgraph", "outcome"], registry=self.registry
        )
        self._errors = Counter(
            "botberi_subgraph_errors", "GraphQL errors by code.", ["subgraph", "code"], registry=self.registry
        )
        self._seconds = Histogram(
            "botberi_subgraph_request_seconds", "How long requests took.", ["subgraph"], registry=self.registry
        ).labels(**labels)
        self._subgraph = subgraph

    def observe(self, outcome: str, seconds: float, codes: list[str]) -> None:
        """Count one request."""
        self._requests.labels(self._subgraph, outcome).inc()
        self._seconds.observe(seconds)
        for code in codes:
            self._errors.labels(self._subgraph, code).inc()

    async def endpoint(self, _: Request) -> Response:
        """Answer a scrape."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
