"""A request as the engine takes it: what a client asks, and on whose behalf."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any


# Both are made for each request and never changed; frozen ones would take three times as long to make.
@dataclass(slots=True)
class GraphQLRequest:
    """What a client asks, whatever transport it came by."""

    query: str
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


def _no_headers(_subgraph: str) -> Mapping[str, str]:
    return {}


@dataclass(slots=True)
class RequestContext:
    """On whose behalf a request is made. Each request has its own.

    `subgraph_headers` gives the headers for requests to a subgraph. `subject` is who calls, as `@subject` in conditions
    of event sources.

    `rollout_key` decides percentages of progressive overrides, always alike for the same key; without it `subject`
    does, and without that a random number.

    `wants_response_headers` is False where no rule lets subgraphs' response headers through; then the result has none.

    `share` is equal for callers whom every subgraph would answer alike (identity, forwarded headers): their equal
    subscriptions are resolved once, and those requests have `shared_headers` in place of `subgraph_headers`.
    `last_event_id` is the event after which a subscription resumes, where its transport names one.
    """

    subgraph_headers: Callable[[str], Mapping[str, str]] = _no_headers
    subject: str | None = None
    wants_response_headers: bool = True
    rollout_key: str | None = None
    share: Hashable | None = None
    shared_headers: Callable[[str], Mapping[str, str]] | None = None
    last_event_id: str | None = None
    #: What plug-ins keep for the request, where there are any.
    state: dict[str, Any] | None = None
