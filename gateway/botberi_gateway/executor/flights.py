"""Equal questions of equal subscriptions -> asked once; an answer serves only those whose news came before its asking began."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")

#: Questions whose last answer is kept for those of the group who come a little later.
_MOST_LANES = 64


class Flights(Generic[AnswerT]):
    """Of one group of equal subscriptions. Its clock orders news and askings; `members` is how many there are."""

    def __init__(self) -> None:
        self.members = 0
        self._time = 0
        self._lanes: OrderedDict[bytes, _Lane[AnswerT]] = OrderedDict()

    def stamp(self) -> int:
        """Now, on the group's clock."""
        self._time += 1
        return self._time

    async def ask(self, question: bytes, since: int, work: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """The answer of an asking that began after `since`: one that somebody else began, or `work`'s."""
        if self.members <= 1:
            return await work()
        lane = self._lanes.get(question)
        if lane is None:
            lane = self._lanes[question] = _Lane()
            self._shrink()
        self._lanes.move_to_end(question)
        flight = lane.current if lane.current is not None and lane.began > since else lane.waiting
        if flight is None:
            flight = lane.waiting = asyncio.get_running_loop().create_task(self._fly(lane, work))
            flight.add_done_callback(_retrieved)
        # Whoever leaves must not take the answer from the others.
        return await asyncio.shield(flight)

    async def _fly(self, lane: "_Lane[AnswerT]", work: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        if lane.current is not None:
            await asyncio.wait({lane.current})
        lane.current, lane.waiting, lane.began = lane.waiting, None, self.stamp()
        return await work()

    def _shrink(self) -> None:
        while len(self._lanes) > _MOST_LANES:
            oldest = next(iter(self._lanes))
            lane = self._lanes[oldest]
            if lane.waiting is not None or (lane.current is not None and not lane.current.done()):
                return
            del self._lanes[oldest]


class _Lane(Generic[AnswerT]):
    __slots__ = ("began", "current", "waiting")

    def __init__(self) -> None:
        self.current: asyncio.Task[AnswerT] | None = None
        self.waiting: asyncio.Task[AnswerT] | None = None
        self.began = 0


def _retrieved(task: asyncio.Task[AnswerT]) -> None:
    """Its askers may all have left: an exception then concerns nobody."""
    if not task.cancelled():
        task.exception()
