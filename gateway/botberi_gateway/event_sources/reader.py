"""One reader of a log (a table, a stream) -> the followers of a process, each with the topics that it asked for.

The reader runs while there are followers. It knows its position: after a lost connection it goes on where it was, and
its followers notice nothing. Where it can't for a while, they are ended with an error, and follow again.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from botberi_gateway.backoff import Backoff
from botberi_gateway.config import EventSourceConfig
from botberi_gateway.errors import EventSourceError
from botberi_gateway.event_sources.topics import matches
from botberi_gateway.subscriptions.events import SourceEvent

logger = logging.getLogger(__name__)


class _Follower:
    def __init__(self, topics: Sequence[str], max_queued: int) -> None:
        self._topics, self._max_queued = tuple(topics), max_queued
        self._queue: asyncio.Queue[SourceEvent | EventSourceError] = asyncio.Queue()

    def put(self, event: SourceEvent) -> None:
        if not any(matches(pattern, event.topic) for pattern in self._topics):
            return
        if self._queue.qsize() < self._max_queued:
            self._queue.put_nowait(event)
        elif self._queue.qsize() == self._max_queued:
            self._queue.put_nowait(EventSourceError("Events came faster than they were read; some were missed."))

    def fail(self, error: EventSourceError) -> None:
        self._queue.put_nowait(error)

    async def events(self) -> AsyncIterator[SourceEvent]:
        while True:
            item = await self._queue.get()
            if isinstance(item, EventSourceError):
                raise item
            yield item


class LogSource(ABC):
    """An `EventSource` over a log that can be read from a position on."""

    def __init__(self, config: EventSourceConfig) -> None:
        self._config = config
        self._followers: set[_Follower] = set()
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None

    @abstractmethod
    async def connect(self) -> None:
        """Connect. The first time, the position is the log's end. Raises any error."""

    @abstractmethod
    async def read(self) -> Sequence[SourceEvent]:
        """Wait for events after the position, and move it. Raises any error of the connection."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Close the connection, if there is one."""

    @abstractmethod
    def forget(self) -> None:
        """Begin at the log's end the next time."""

    @asynccontextmanager
    async def follow(self, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[SourceEvent]]:
        """See `EventSource.follow`."""
        if self._task is None or self._task.done():
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._run(self._ready), name="event-source")
        ready, task = self._ready, self._task
        assert ready is not None
        follower = _Follower(topics, self._config.max_queued_events)
        self._followers.add(follower)
        try:
            await asyncio.shield(ready)
            yield follower.events()
        finally:
            self._followers.discard(follower)
            if not self._followers and self._task is task:
                self._task = None
                while not task.done():
                    task.cancel()
                    await asyncio.wait({task}, timeout=1)

    async def _run(self, ready: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._config.first_backoff_seconds, self._config.max_backoff_seconds, spread=True)
        lost_at: float | None = None
        self.forget()
        try:
            while True:
                try:
                    await self.connect()
                    if not ready.done():
                        ready.set_result(None)
                    while self._followers:
                        for event in await self.read():
                            for follower in self._followers:
                                follower.put(event)
                        backoff.reset()
                        lost_at = None
                    return
                except Exception as error:
                    if not self._followers:
                        return  # some clients turn a cancellation into an error of theirs
                    lost_at = lost_at or loop.time()
                    # Its text may have the URL, with a password.
                    logger.warning("the event source was lost: %s", type(error).__name__)
                    if not ready.done() or loop.time() - lost_at > self._config.resume_timeout_seconds:
                        self._end(ready)
                        return
                    await self._disconnected()
                    await asyncio.sleep(backoff.next())
        finally:
            await self._disconnected()

    def _end(self, ready: asyncio.Future[None]) -> None:
        if self._task is asyncio.current_task():
            self._task = None  # the next follower begins with a new one
        if not ready.done():
            ready.set_exception(EventSourceError("The event source can't be reached."))
            ready.exception()  # also where no follower waits any more
        for follower in self._followers:
            follower.fail(EventSourceError("The event source was lost."))

    async def _disconnected(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self.disconnect()
        except Exception as error:
            logger.debug("closing the event source: %s", type(error).__name__)
