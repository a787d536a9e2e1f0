"""Messages that wait until one client reads: bounded, in order, with one writer that takes them.

An object of this class is much smaller than an `asyncio.Queue`, and every socket has one.
"""

import asyncio
from collections import deque


class Outbox:
    """`put` waits for room, `flushed` for the last one to have left."""

    __slots__ = ("_flushed", "_limit", "_messages", "_room", "_unsent")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: deque[str] | None = None
        self._unsent = 0
        self._room: asyncio.Event | None = None
        self._flushed: asyncio.Event | None = None

    async def put(self, text: str, timeout_seconds: float) -> None:
        """Add a message. Raises `TimeoutError` where there is no room within so many seconds."""
        if self._unsent >= self._limit:
            async with asyncio.timeout(timeout_seconds):
                while self._unsent >= self._limit:
                    self._room = self._room or asyncio.Event()
                    self._room.clear()
                    await self._room.wait()
        if self._messages is None:
            self._messages = deque()
        self._messages.append(text)
        self._unsent += 1

    def take(self) -> str | None:
        """The next message, None if there is none. Call it when the one before has been sent."""
        if not self._messages:
            # Nothing is kept of a queue while nothing waits in it.
            self._messages = None
            return None
        return self._messages.popleft()

    def begin(self) -> None:
        """Note that a message is being sent that was never here."""
        self._unsent += 1

    def sent(self) -> None:
        """Note that the message of `take` or `begin` was sent."""
        self._unsent -= 1
        if self._room is not None:
            self._room.set()
        if not self._unsent and self._flushed is not None:
            self._flushed.set()

    async def flushed(self) -> None:
        """Wait until every message was sent."""
        while self._unsent:
            self._flushed = self._flushed or asyncio.Event()
            self._flushed.clear()
            await self._flushed.wait()
