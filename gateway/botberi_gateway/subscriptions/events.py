"""Event sources: a bus outside feeds subscription fields that carry `@eventSource`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """An event of the bus: an entity has changed.

    `topic` is the routing key; `key` has the entity's key fields, named as in the supergraph; `attributes` are compared
    with `where` conditions.
    """

    topic: str
    key: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)


class EventSource(Protocol):
    """The port that the composition root fills, for instance with RabbitMQ."""

    def follow(self, topics: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[SourceEvent]]:
        """All events on these topics (AMQP patterns) that are published after entering.

        The source bounds how many wait to be read. Raises `botberi_gateway.errors.EventSourceError` when the
        connection is lost.
        """
        ...
