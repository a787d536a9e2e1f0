"""The doors of the bus: publish, consume, follow. `MemoryBus` and `AmqpBus` implement them alike."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared_schema.contracts.events import Event

Handler = Callable[[Event], Awaitable[None]]


class BusError(Exception):
    """Something about the bus failed; `code` says what."""

    code: str = "BUS"


class BusUnavailable(BusError):
    """The broker could not be reached in time."""

    code = "BUS_UNAVAILABLE"


class TopologyMismatch(BusError):
    """The broker has a queue or an exchange with other arguments than the topology says; the text says what to do."""

    code = "TOPOLOGY"


class PublishError(BusError):
    """The event was not confirmed. It may have arrived all the same: publish it again."""

    code = "PUBLISH"
    #: It is this event that the broker has refused; otherwise no other would have fared better.
    of_the_event: bool = False


class EventRefused(PublishError):
    """The broker has refused this one event: nothing takes it."""

    of_the_event = True


class BusBlocked(PublishError):
    """The broker takes no messages at the moment: it is short of memory or of disk."""

    code = "BUS_BLOCKED"


class FollowLost(BusError):
    """A follower missed events (it was too slow, or the broker lost its queue): read the state and follow again."""

    code = "FOLLOW_LOST"


class Consumer(Protocol):
    """A running consumer of a durable queue."""

    @property
    def queue(self) -> str:
        """The queue's name."""

    @property
    def ready(self) -> bool:
        """True if it is consuming at this moment."""

    async def aclose(self) -> None:
        """Stop taking events, let running handlers end (bounded), give the rest back to the queue."""


class Bus(Protocol):
    """Events in, events out; at least once, in order per aggregate unless a crash repeats some."""

    @property
    def ready(self) -> bool:
        """True if the bus could publish at this moment, as far as it knows."""

    @property
    def blocked(self) -> bool:
        """True if the broker is there and takes no messages (an alarm of its memory or disk); then it is not ready."""

    async def start(self) -> None:
        """Connect and declare the topology; raises `BusUnavailable`, `TopologyMismatch`."""

    async def publish(self, event: Event) -> None:
        """Return once the bus has the event for sure; raises `PublishError`."""

    async def consume(self, queue: str, topics: Sequence[str], handler: Handler) -> Consumer:
        """Consume a durable queue bound to topics, beside other consumers of the same name.

        The handler's return acknowledges. When it raises it is called again, later and later, up to the
        limit; then the event is kept among the queue's dead letters. Events of one aggregate are handled
        one after another. The handler must be idempotent by (subject, data.version).
        """

    def follow(
        self, topics: Sequence[str], *, max_queue: int = 1000
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Follow every event published after entering.

        A follower that falls behind by `max_queue` events loses superseded states first: older events of
        an aggregate of which a newer one waits. When that is not enough iteration raises `FollowLost`.
        """

    async def aclose(self) -> None:
        """Stop consumers and followers, and disconnect."""
