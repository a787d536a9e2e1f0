"""An event source -> listeners: a follower for each set of topics hands each event to those whose conditions it meets.

A follower that loses the source connects again and calls `resumed` of its listeners, which then read what they missed.
If it can't connect in time, it calls their `ended` with the error.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botberi_gateway.backoff import Backoff
from botberi_gateway.config import EventSourceConfig
from botberi_gateway.errors import EventSourceError
from botberi_gateway.subscriptions.events import EventSource, SourceEvent

logger = logging.getLogger(__name__)

#: Attribute -> the texts that it may equal. All attributes have to match.
Conditions = Mapping[str, frozenset[str]]


class Listener(Protocol):
    """A subscription's side of the router. Its methods are called in the event loop and must not wait or raise."""

    def heard(self, event: SourceEvent) -> None:
        """An event that meets the conditions."""
        ...

    def resumed(self) -> None:
        """The source was lost and is there again; events of the time between are missing."""
        ...

    def ended(self, error: EventSourceError | None) -> None:
        """No further event comes: the source has ended, or stays lost (`error`)."""
        ...


def text_of(value: Any) -> str:
    """A value as conditions compare it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class EventRouter:
    """Hands events to listeners; a gateway has one. An event costs what its own listeners cost, and no more."""

    def __init__(self, source: EventSource, options: EventSourceConfig | None = None) -> None:
        self._source = source
        self._options = options or EventSourceConfig()
        self._followers: dict[frozenset[str], _Follower] = {}

    @property
    def listeners(self) -> int:
        """How many listeners there are now."""
        return sum(len(follower.index) for follower in self._followers.values())

    @property
    def interrupted(self) -> bool:
        """Whether a source that has listeners is lost at this moment."""
        return any(follower.is_lost for follower in self._followers.values())

    async def join(self, topics: frozenset[str], conditions: Conditions, listener: Listener) -> "Place":
        """Add a listener, which hears every event from the return on. Raises `EventSourceError` if that can't be."""
        follower = self._followers.get(topics)
        if follower is None or follower.is_over:
            follower = self._followers[topics] = _Follower(self._source, topics, self._options)
        place = Place(self, topics, follower, _Entry(conditions, listener))
        try:
            await follower.wait_ready()
        except BaseException:
            await place.leave()
            raise
        return place

    async def left(self, topics: frozenset[str], follower: "_Follower") -> None:
        """Stop following a set of topics when its last listener has left."""
        if not len(follower.index):
            if self._followers.get(topics) is follower:
                del self._followers[topics]
            await follower.stop()


class Place:
    """A listener's registration, until it leaves."""

    __slots__ = ("_entry", "_follower", "_router", "_topics")

    def __init__(self, router: EventRouter, topics: frozenset[str], follower: "_Follower", entry: "_Entry") -> None:
        self._router, self._topics, self._follower, self._entry = router, topics, follower, entry
        follower.index.add(entry)

    async def leave(self) -> None:
        """End the registration; when this returns, the listener isn't called any more."""
        self._follower.index.remove(self._entry)
        await self._router.left(self._topics, self._follower)


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """The content of a place: a listener has two places for a moment when it moves from one to another."""

    conditions: Conditions
    listener: Listener


class _Index:
    """Entries by the values of the attribute of theirs that has the fewest."""

    def __init__(self) -> None:
        self._by_value: dict[str, dict[str, dict[_Entry, None]]] = {}
        self._others: dict[_Entry, None] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, entry: _Entry) -> None:
        self._count += 1
        for entries in self._places(entry):
            entries[entry] = None

    def remove(self, entry: _Entry) -> None:
        self._count -= 1
        for entries in self._places(entry):
            entries.pop(entry, None)
        attribute = _distinguishing(entry.conditions)
        if attribute is not None:
            by_value = self._by_value[attribute]
            for text in entry.conditions[attribute]:
                if not by_value.get(text, True):
                    del by_value[text]

    def matching(self, event: SourceEvent) -> list[Listener]:
        """The listeners whose conditions the event meets; an attribute that it lacks equals nothing."""
        texts = {name: text_of(value) for name, value in event.attributes.items() if value is not None}
        listeners = [entry.listener for entry in self._others if _meets(texts, entry.conditions)]
        for attribute, by_value in self._by_value.items():
            text = texts.get(attribute)
            if text is None:
                continue
            for entry in by_value.get(text, ()):
                if len(entry.conditions) == 1 or _meets(texts, entry.conditions):
                    listeners.append(entry.listener)
        return listeners

    def all_listeners(self) -> list[Listener]:
        seen = dict.fromkeys(self._others)
        for by_value in self._by_value.values():
            for entries in by_value.values():
                seen.update(entries)
        return [entry.listener for entry in seen]

    def _places(self, entry: _Entry) -> Iterator[dict[_Entry, None]]:
        attribute = _distinguishing(entry.conditions)
        if attribute is None:
            yield self._others
            return
        by_value = self._by_value.setdefault(attribute, {})
        for text in entry.conditions[attribute]:
            yield by_value.setdefault(text, {})


def _distinguishing(conditions: Conditions) -> str | None:
    """The attribute with the fewest values; None without conditions. An attribute without values is met by no event."""
    return min(conditions, key=lambda attribute: len(conditions[attribute]), default=None)


def _meets(texts: Mapping[str, str], conditions: Conditions) -> bool:
    return all(texts.get(attribute) in values for attribute, values in conditions.items())


class _Follower:
    """Follows a set of topics while it has listeners, and connects again after each loss."""

    def __init__(self, source: EventSource, topics: frozenset[str], options: EventSourceConfig) -> None:
        self.index = _Index()
        self.is_over = False
        self._source, self._topics, self._options = source, topics, options
        self._ready = asyncio.Event()
        self._was_ready = False
        self._failure: EventSourceError | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="event-follower")

    @property
    def is_lost(self) -> bool:
        return self._was_ready and not self._ready.is_set()

    async def wait_ready(self) -> None:
        """Raises `EventSourceError`."""
        if not self._ready.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.join_timeout_seconds):
                    await self._ready.wait()
        if self._failure is not None and (self.is_over or not self._ready.is_set()):
            raise self._failure.with_traceback(None)
        if not self._ready.is_set():
            raise EventSourceError("The event source doesn't answer.")

    async def stop(self) -> None:
        # Once, and `wait` passes no further cancellation on: a listener's request that ends twice must not cut
        # short what the source does to leave its bus.
        if not self._task.done() and not self._task.cancelling():
            self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        loop, options = asyncio.get_running_loop(), self._options
        # Processes that lost the same source must not come back in step.
        backoff = Backoff(options.first_backoff_seconds, options.max_backoff_seconds, spread=True)
        lost_at: float | None = None
        while True:
            try:
                async with self._source.follow(sorted(self._topics)) as events:
                    if self._was_ready:
                        logger.info("following %s again: subscriptions catch up", ", ".join(sorted(self._topics)))
                        for listener in self.index.all_listeners():
                            listener.resumed()
                    self._was_ready, self._failure, lost_at = True, None, None
                    self._ready.set()
                    async for event in events:
                        backoff.reset()
                        for listener in self.index.matching(event):
                            listener.heard(event)
                self._end(None)
                return
            except EventSourceError as error:
                self._failure = error
            except Exception:
                logger.exception("the event source failed")
                self._failure = EventSourceError("The event source failed.")
            lost_at = lost_at if lost_at is not None else loop.time()
            if not self._was_ready or loop.time() - lost_at > self._options.loss_timeout_seconds:
                self._end(self._failure)
                return
            self._ready.clear()
            logger.warning("events of %s are lost: %s", ", ".join(sorted(self._topics)), self._failure.message)
            await asyncio.sleep(backoff.next())

    def _end(self, error: EventSourceError | None) -> None:
        self.is_over = True
        # Callers that wait to join get the failure, or join a source that has no further events.
        self._ready.set()
        for listener in self.index.all_listeners():
            listener.ended(error)
