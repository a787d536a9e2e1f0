"""Events for one follower -> the same in order, bounded: superseded states go first, then it is lost."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from event_broker.bus import BusError, FollowLost
from event_broker.metrics import LOST, SUPERSEDED
from shared_schema.contracts.events import Event


class Mailbox:
    """A bounded queue with one reader."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError("max_queue must be at least 1")
        self._limit = limit
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._end: BusError | None = None
        self._closed = False

    def put(self, event: Event) -> None:
        """Take an event; never waits, so that a slow follower holds up no other."""
        if self._closed or self._end is not None:
            return
        if len(self._events) >= self._limit:
            self._compact(event)
        if len(self._events) >= self._limit:
            self.fail(FollowLost(f"the follower fell behind by {self._limit} events of as many aggregates"))
            return
        self._events.append(event)
        self._arrived.set()

    def fail(self, error: BusError) -> None:
        """End the follower with an error, at once: events that wait are stale to one that must start again."""
        if self._end is None and not self._closed:
            LOST.inc()
            self._end = error
            self._events.clear()
            self._arrived.set()

    def close(self) -> None:
        """End the follower after what waits."""
        self._closed = True
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield events as they come."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._end is not None:
                raise self._end
            if self._closed:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def _compact(self, newest: Event) -> None:
        """Keep of each aggregate its newest event only, counting the one about to come."""
        seen = {newest.subject}
        kept: list[Event] = []
        for event in reversed(self._events):
            if event.subject not in seen:
                seen.add(event.subject)
                kept.append(event)
        SUPERSEDED.inc(len(self._events) - len(kept))
        self._events = deque(reversed(kept))
