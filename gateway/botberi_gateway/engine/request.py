"""What a client asks, on whose behalf, and within which limits."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.executor.budget import Budget
from botberi_gateway.operation import Limits


# Both are made for each request and never changed; frozen ones would take three times as long to make.
@dataclass(slots=True)
class GraphQLRequest:
    """What a client asks, free of how it came."""

    query: str
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


def _no_headers(_subgraph: str) -> Mapping[str, str]:
    return {}


@dataclass(slots=True)
class RequestContext:
    """On whose behalf, one for each request.

    `subgraph_headers` gives the headers of each subgraph's requests, `subject` is `@subject` of event conditions.

    `rollout_key` decides percentages of progressive overrides, the same for the same key; without it `subject` does, else chance.

    `response_headers` fills with every subgraph's response headers as (subgraph, lower-case name, value); None where nobody
    looks at them.

    `share` is equal for those whom every subgraph would answer alike (identity, forwarded headers): their equal subscriptions are resolved once.
    `shared_headers` takes the place of `subgraph_headers` in what is asked for all of them.
    `last_event_id` is after which event a subscription resumes, where the transport says so.
    """

    subgraph_headers: Callable[[str], Mapping[str, str]] = _no_headers
    subject: str | None = None
    response_headers: list[tuple[str, str, str]] | None = field(default_factory=list)
    rollout_key: str | None = None
    share: Hashable | None = None
    shared_headers: Callable[[str], Mapping[str, str]] | None = None
    last_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of one `Gateway`. Times are in seconds."""

    #: Operations kept ready, by number and by the bytes that they are estimated to take, whichever comes first.
    cache_entries: int = 2_000
    max_cache_bytes: int = 64 * 1024 * 1024
    #: Parsing, validating and planning run in threads of their own: at most so many, so many waiting, so long.
    planning_threads: int = 2
    planning_backlog: int = 200
    planning_timeout: float = 5.0
    #: Deciding the labels of progressive overrides.
    label_timeout: float = 1.0
    #: A query or mutation as a whole, one event of a subscription, and one request to a subgraph.
    operation_timeout: float = 30.0
    subgraph_timeout: float = 15.0
    #: A lost event source is followed again for so long before its subscriptions end.
    event_source_patience: float = 60.0
    #: Events that are resolved at the same time, of all subscriptions together.
    event_concurrency: int = 64
    #: Entries of `errors` in one response; more are counted.
    max_errors: int = 50
    #: What one operation may take while it runs: bytes, entities, fields, errors.
    budget: Budget = field(default_factory=Budget)
    #: What one document may ask (depth, aliases, tokens, …).
    operation: Limits = field(default_factory=Limits)
