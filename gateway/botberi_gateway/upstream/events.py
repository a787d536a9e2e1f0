"""Event sources: a bus outside feeds subscription fields that carry `@eventSource`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """`topic` is the routing key; `key` the entity's key fields as the supergraph has them; `attributes` what `where` conditions compare."""

    topic: str
    key: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)


class EventSource(Protocol):
    """The port that the composition root fills, for instance with RabbitMQ."""

    def follow(self, topics: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[SourceEvent]]:
        """Every event on these topics (AMQP patterns) published after entering; bounded. Raises `botberi_gateway.errors.EventSourceError` when it is lost."""
        ...
