"""The surroundings of an execution: what the gateway fixes for all, and what a request brings."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from botberi_gateway.config import EngineConfig
from botberi_gateway.executor.introspection import Introspection
from botberi_gateway.executor.statistics import ExecutionStatistics, ExecutorKind
from botberi_gateway.upstream.port import SubgraphClient


def _no_headers(subgraph: str) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Environment:
    """What a gateway fixes for all its requests, as long as it serves the same supergraph."""

    #: By the subgraph's name as fetches have it.
    clients: Mapping[str, SubgraphClient]
    config: EngineConfig = field(default_factory=EngineConfig)
    #: Keys of `extensions` in subgraphs' errors that clients get, beside `code`.
    error_extensions: Collection[str] = ()
    #: Subgraph -> seconds for each request to it; others have the configuration's `subgraph_timeout_seconds`.
    subgraph_timeouts: Mapping[str, float] = field(default_factory=dict)
    executor: ExecutorKind = ExecutorKind.COMPILED
    statistics: ExecutionStatistics = field(default_factory=ExecutionStatistics)

    def timeout_for(self, subgraph: str) -> float:
        """Seconds for a request to this subgraph."""
        return self.subgraph_timeouts.get(subgraph, self.config.subgraph_timeout_seconds)


@dataclass(slots=True)
class Runtime:
    """What belongs to a single request or subscription, for the subgraphs that it asks."""

    environment: Environment
    #: Headers for a request to this subgraph: the caller's assertion, what is forwarded.
    headers: Callable[[str], Mapping[str, str]] = _no_headers
    #: What the operation asks about the schema, where it was computed beforehand.
    introspection: Introspection | None = None
    #: Collects (subgraph, lower-case name, value) of each answer's headers in order of arrival, with repeats, for the
    #: request's result. None where they aren't collected.
    response_headers: list[tuple[str, str, str]] | None = None
