"""What a client asks, and on whose behalf."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any


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

    `wants_response_headers` is False where no rule lets a subgraph's response headers through: then the result has none.

    `share` is equal for those whom every subgraph would answer alike (identity, forwarded headers): their equal subscriptions are resolved once.
    `shared_headers` takes the place of `subgraph_headers` in what is asked for all of them.
    `last_event_id` is after which event a subscription resumes, where the transport says so.
    """

    subgraph_headers: Callable[[str], Mapping[str, str]] = _no_headers
    subject: str | None = None
    wants_response_headers: bool = True
    rollout_key: str | None = None
    share: Hashable | None = None
    shared_headers: Callable[[str], Mapping[str, str]] | None = None
    last_event_id: str | None = None
