"""Equal questions of equal subscriptions -> asked once; an answer serves only earlier events."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from botberi_gateway.single_flight import SingleFlight

AnswerT = TypeVar("AnswerT")

#: The most questions whose last answer is kept for subscriptions that ask a little later.
_MAX_LANES: Final = 64


class FreshSingleFlight(Generic[AnswerT]):
    """Single-flight for a group of equal subscriptions: an answer must be newer than the event that asks for it.

    Its clock orders events and questions; `members` is how many subscriptions the group has.
    """

    def __init__(self) -> None:
        self.members = 0
        self._time = 0
        #: Made for the first question that may be shared: most subscriptions are alone.
        self._flights: SingleFlight[AnswerT] | None = None
        self._lanes: OrderedDict[bytes, _Lane[AnswerT]] = OrderedDict()

    def stamp(self) -> int:
        """The present time on the group's clock."""
        self._time += 1
        return self._time

    async def ask(self, question: bytes, since: int, work: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """The answer of work that began after `since`: another subscription's, or that of `work`."""
        if self.members <= 1:
            return await work()
        lane = self._lanes.get(question)
        if lane is None:
            lane = self._lanes[question] = _Lane()
            self._shrink()
        self._lanes.move_to_end(question)
        if lane.current is not None and lane.began > since:
            if lane.current.done():
                return lane.current.result()
            turn = lane.turn
        else:
            turn = lane.turn + 1
        if self._flights is None:
            self._flights = SingleFlight()
        return await self._flights.run((question, turn), lambda: self._begin(lane, work))

    def _begin(self, lane: "_Lane[AnswerT]", work: Callable[[], Awaitable[AnswerT]]) -> "asyncio.Task[AnswerT]":
        lane.waiting = asyncio.get_running_loop().create_task(self._run(lane, work))
        return lane.waiting

    async def _run(self, lane: "_Lane[AnswerT]", work: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        if lane.current is not None:
            await asyncio.wait({lane.current})
        lane.current, lane.waiting, lane.began = lane.waiting, None, self.stamp()
        lane.turn += 1
        return await work()

    def _shrink(self) -> None:
        while len(self._lanes) > _MAX_LANES:
            oldest = next(iter(self._lanes))
            lane = self._lanes[oldest]
            if lane.waiting is not None or (lane.current is not None and not lane.current.done()):
                return
            del self._lanes[oldest]


class _Lane(Generic[AnswerT]):
    __slots__ = ("began", "current", "turn", "waiting")

    def __init__(self) -> None:
        self.current: asyncio.Task[AnswerT] | None = None
        self.waiting: asyncio.Task[AnswerT] | None = None
        #: Counts the questions that were asked.
        self.turn = 0
        self.began = 0
