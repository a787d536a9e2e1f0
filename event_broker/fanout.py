"""Messages of a broadcaster backend -> this process's followers, by topic pattern, each bounded.

broadcaster 0.3.1 supplies the interface and its backends' shape. What it does inside is replaced: its
subscribe loses subscribers that come at once, its queues are unbounded, a listener that died leaves
everybody waiting.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from broadcaster import Broadcast, BroadcastBackend
from broadcaster import Event as Message

from event_broker.bindings import LINGER_SECONDS, Bindings, bound
from event_broker.bus import FollowLost
from event_broker.mailbox import Mailbox
from event_broker.topology import check_pattern, matches
from shared_schema.contracts.events import Event

log = logging.getLogger(__name__)

_AFTER_FAILURE: Final = 1.0


class Gap(Exception):
    """A backend's `next_published` raises it where messages were lost; it goes on afterwards."""


class Fanout(Broadcast):
    """One listener for the process; `follow()` for each who wants to hear."""

    def __init__(self, backend: BroadcastBackend, *, linger: float = LINGER_SECONDS) -> None:
        super().__init__(backend=backend)
        self._backend: BroadcastBackend = backend
        self._mailboxes: dict[str, set[Mailbox]] = {}
        self._bindings = Bindings(backend, linger=linger)
        self._listening: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect the backend and listen."""
        await self._backend.connect()
        self._bindings.start()
        self._listening = asyncio.create_task(self._listener(), name="fanout-listener")

    async def disconnect(self) -> None:
        """End every follower and disconnect the backend."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
        for mailbox in self._everybody():
            mailbox.close()
        await self._bindings.aclose()
        await self._backend.disconnect()

    @asynccontextmanager
    async def follow(self, topics: Sequence[str], *, max_queue: int = 1000) -> AsyncIterator[AsyncIterator[Event]]:
        """Implements `bus.Bus.follow`."""
        patterns = tuple(dict.fromkeys(topics))
        if not patterns:
            raise ValueError("a follower follows at least one topic")
        for pattern in patterns:
            check_pattern(pattern)
        mailbox = Mailbox(max_queue)
        joined: list[str] = []
        try:
            futures = []
            for pattern in patterns:
                futures.append(self._bindings.want(pattern))
                self._mailboxes.setdefault(pattern, set()).add(mailbox)
                joined.append(pattern)
            for future in futures:
                await bound(future)
            yield aiter(mailbox)
        finally:
            # Nothing here waits: a request that is cancelled again in the middle of it leaves nothing behind.
            mailbox.close()
            for pattern in joined:
                self._leave(pattern, mailbox)

    @asynccontextmanager
    async def subscribe(  # type: ignore[override]  # events, parsed once for all, instead of texts
        self, channel: str
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Follow one topic: broadcaster's name for it."""
        async with self.follow([channel]) as events:
            yield events

    def _leave(self, pattern: str, mailbox: Mailbox) -> None:
        others = self._mailboxes[pattern]
        others.discard(mailbox)
        if not others:
            del self._mailboxes[pattern]
        self._bindings.release(pattern)

    async def _listener(self) -> None:
        while True:
            try:
                message: Message = await self._backend.next_published()
            except Gap as gap:
                log.warning("events were missed (%s): followers start again", gap)
                self._bindings.doubt()
                for mailbox in self._everybody():
                    mailbox.fail(FollowLost(str(gap)))
                continue
            except Exception:
                # The next follower must not wait on a listener that is dead.
                log.exception("the fan-out's backend failed; followers start again")
                self._bindings.doubt()
                for mailbox in self._everybody():
                    mailbox.fail(FollowLost("the fan-out's backend failed"))
                await asyncio.sleep(_AFTER_FAILURE)
                continue
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        followers = {
            mailbox
            for pattern, mailboxes in self._mailboxes.items()
            if matches(pattern, message.channel)
            for mailbox in mailboxes
        }
        if not followers:
            return
        try:
            event = Event.from_json(message.message)
        except ValueError as error:
            log.error("a message on %s is no event: %s", message.channel, _brief(error))
            return
        for mailbox in followers:
            mailbox.put(event)

    def _everybody(self) -> set[Mailbox]:
        return {mailbox for mailboxes in self._mailboxes.values() for mailbox in mailboxes}


def _brief(error: Any) -> str:
    return str(error)[:300]
