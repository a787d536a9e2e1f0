"""One of several who share something at a subgraph, and the answers that wait for it."""

import asyncio
from typing import TypeAlias

from botberi_gateway import errors
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.port import SubgraphResponse

#: An answer, the error that ended the subscription, or None for its end.
Item: TypeAlias = SubgraphResponse | BaseException | None


class Subscriber:
    """A bounded queue of answers. One that is full ends with an error, as the others can't wait."""

    def __init__(self, subgraph: str, max_queued: int) -> None:
        self._subgraph, self._max_queued = subgraph, max_queued
        self._queue: asyncio.Queue[Item] = asyncio.Queue()
        self._is_slow = False

    @property
    def is_slow(self) -> bool:
        """Whether it was ended because it is too slow."""
        return self._is_slow

    def put(self, item: Item) -> None:
        """Add an answer; of a subscriber that is too slow, none any more."""
        if self._queue.qsize() < self._max_queued or not isinstance(item, SubgraphResponse):
            self._queue.put_nowait(item)
        elif not self._is_slow:
            self._is_slow = True
            message = "The client reads slower than the subscription's results come."
            self._queue.put_nowait(SubgraphError(self._subgraph, message, code=errors.SLOW_CONSUMER))

    async def next(self) -> SubgraphResponse | None:
        """The next answer; None at the end."""
        item = await self._queue.get()
        if isinstance(item, BaseException):
            raise item
        return item
