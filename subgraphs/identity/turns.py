"""Clients that want one of a few places -> who gets the next: each client in turn, whatever number it sends.

A client that sends a thousand requests waits behind itself. When too many wait, the newest of the client that has most
of them waiting is refused, so a flood from one address sheds its own load. Clients that are known (by a session or a
device) have every second turn, so that a flood from many addresses leaves them half of the work.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from subgraphs.common.errors import Busy

_Waiting = asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Applicant:
    """Whose work it is: the name that its client is counted under, and whether the client is known."""

    client: str
    is_known: bool = False


@dataclass(slots=True)
class _Lane:
    """Clients of one kind, the one whose turn is next first, each with what it has waiting."""

    clients: OrderedDict[str, deque[_Waiting]] = field(default_factory=OrderedDict)

    def add(self, client: str, waiting: _Waiting) -> None:
        self.clients.setdefault(client, deque()).append(waiting)

    def remove(self, client: str, waiting: _Waiting) -> None:
        queue = self.clients[client]
        queue.remove(waiting)
        if not queue:
            del self.clients[client]

    def next(self) -> _Waiting:
        """Take the oldest of the client whose turn it is; its next turn comes after all others'."""
        client, queue = self.clients.popitem(last=False)
        waiting = queue.popleft()
        if queue:
            self.clients[client] = queue
        return waiting

    def longest(self) -> tuple[int, str | None]:
        """The client that has most waiting, and how many."""
        return max(((len(queue), client) for client, queue in self.clients.items()), default=(0, None))


class Turns:
    """A number of places for work, and a bounded number of requests that wait for one. For one event loop."""

    def __init__(self, places: int, waiting: int, waiting_per_client: int) -> None:
        self._free = places
        self._max_waiting = waiting
        self._max_per_client = waiting_per_client
        self._waiting = 0
        self._lanes = {True: _Lane(), False: _Lane()}
        self._next_is_known = True

    async def acquire(self, applicant: Applicant) -> None:
        """Wait for a place; `release` gives it back. Raises `Busy` when too many wait."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        self._make_room(applicant)
        waiting: _Waiting = asyncio.get_running_loop().create_future()
        lane = self._lanes[applicant.is_known]
        lane.add(applicant.client, waiting)
        self._waiting += 1
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.cancelled():
                self._forget(applicant, waiting)
            elif waiting.exception() is None:
                self.release()  # The place came together with the cancellation.
            raise

    @asynccontextmanager
    async def place(self, applicant: Applicant) -> AsyncIterator[None]:
        """A place for as long as the block takes. Raises `Busy` when too many wait."""
        await self.acquire(applicant)
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Hand the place to the next client that waits for one."""
        while self._waiting:
            lane = self._lanes[self._next_is_known]
            if not lane.clients:
                lane = self._lanes[not self._next_is_known]
            waiting = lane.next()
            self._waiting -= 1
            # One that was given up is still here until its task has run.
            if not waiting.done():
                self._next_is_known = not self._next_is_known
                waiting.set_result(None)
                return
        self._free += 1

    def _forget(self, applicant: Applicant, waiting: _Waiting) -> None:
        lane = self._lanes[applicant.is_known]
        if waiting in lane.clients.get(applicant.client, ()):
            lane.remove(applicant.client, waiting)
            self._waiting -= 1

    def _make_room(self, applicant: Applicant) -> None:
        """Refuse this request, or one of a client that has more waiting, when there is no room for all."""
        own = len(self._lanes[applicant.is_known].clients.get(applicant.client, ()))
        if own >= self._max_per_client:
            raise _too_many()
        if self._waiting < self._max_waiting:
            return
        count, client = self._lanes[False].longest()
        # A known client takes the place of any unknown one; others only of a client that waits for more than they.
        if client is None or (not applicant.is_known and count <= own + 1):
            raise _too_many()
        refused = self._lanes[False].clients[client][-1]
        self._lanes[False].remove(client, refused)
        self._waiting -= 1
        if not refused.done():
            refused.set_exception(_too_many())


def _too_many() -> Busy:
    return Busy("Too many sign-ins at once; try again in a moment.")
