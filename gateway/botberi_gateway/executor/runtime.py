"""What one request brings along for its execution: clients, headers, event source, caller, time and error limits."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.config import ExecutionBudget
from botberi_gateway.executor.budget import DEFAULT
from botberi_gateway.executor.flights import Flights
from botberi_gateway.executor.introspection import Introspection
from botberi_gateway.executor.statistics import ExecutionStatistics, ExecutorKind
from botberi_gateway.upstream.port import SubgraphClient
from botberi_gateway.upstream.router import EventRouter


def _no_headers(subgraph: str) -> Mapping[str, str]:
    return {}


@dataclass(slots=True)
class Runtime:
    """One for each request (or subscription). `response_headers` fills while subgraphs answer; everything else is only read."""

    #: By the subgraph's name as fetches have it.
    clients: Mapping[str, SubgraphClient]
    #: Headers for a request to this subgraph: the caller's assertion, what is forwarded.
    headers: Callable[[str], Mapping[str, str]] = _no_headers
    event_router: EventRouter | None = None
    #: Who calls, as `@subject` in `where` conditions of event sources; None for nobody.
    subject: str | None = None
    #: Seconds for the whole operation (for a subscription: for each event).
    timeout: float = 30.0
    #: Seconds for each request to these subgraphs; others have `subgraph_timeout`.
    subgraph_timeouts: Mapping[str, float] = field(default_factory=dict)
    subgraph_timeout: float = 15.0
    #: Errors beyond it are counted in `extensions.errorsOmitted`.
    max_errors: int = 100
    #: Keys of `extensions` in subgraphs' errors that clients get, beside `code`.
    error_extensions: Collection[str] = ()
    #: Distinct entities of an event source that may wait for a slow consumer.
    max_pending_events: int = 1000
    #: Shared by equal subscriptions of equal identity.
    flights: Flights[Any] = field(default_factory=Flights)
    #: How many events of all subscriptions may be resolved at the same time.
    event_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(64))
    #: After which event a client resumes, where its transport says so.
    last_event_id: str | None = None
    #: What the operation may take.
    budget: ExecutionBudget = DEFAULT
    executor: ExecutorKind = ExecutorKind.COMPILED
    statistics: ExecutionStatistics = field(default_factory=ExecutionStatistics)
    #: What the operation asks about the schema, where it was made beforehand.
    introspection: Introspection | None = None
    #: Where given, gets (subgraph, lower-case name, value) of every answer, repeated names kept, in order of arrival.
    response_headers: list[tuple[str, str, str]] | None = None

    def timeout_for(self, subgraph: str) -> float:
        return self.subgraph_timeouts.get(subgraph, self.subgraph_timeout)
