"""Repeated checks of the credentials of open sockets, by one task for all of them.

Thousands of sockets are silent most of the time, so that none of them checks by itself.
"""

import asyncio
from collections import OrderedDict
from typing import Final, Protocol

#: How often within one interval it looks which checks are due.
_LOOKS_PER_INTERVAL: Final = 25


class Checked(Protocol):
    """A socket whose credentials are checked repeatedly."""

    async def recheck(self) -> None:
        """Check, and end the socket where its credentials are no longer valid. Never raises."""
        ...


class Rechecks:
    """The sockets by the time of their next check, the earliest first."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._due: OrderedDict[Checked, float] = OrderedDict()
        self._members: set[Checked] = set()
        self._checking: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, member: Checked) -> None:
        """Check this socket after each interval from now on."""
        self._members.add(member)
        self._later(member)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="socket-rechecks")

    def remove(self, member: Checked) -> None:
        """Check this socket no more."""
        self._members.discard(member)
        self._due.pop(member, None)

    def _later(self, member: Checked) -> None:
        self._due[member] = asyncio.get_running_loop().time() + self._interval

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._members:
            await asyncio.sleep(self._interval / _LOOKS_PER_INTERVAL)
            while self._due and next(iter(self._due.values())) <= loop.time():
                member, _ = self._due.popitem(last=False)
                # At the same time: a slow check of one caller must not delay the checks of the others.
                task = loop.create_task(self._check(member))
                self._checking.add(task)
                task.add_done_callback(self._checking.discard)

    async def _check(self, member: Checked) -> None:
        await member.recheck()
        if member in self._members:
            self._later(member)
