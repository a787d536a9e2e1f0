"""Kill points -> each reached and survived so many times, while runs go on."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from shared_schema.killpoints import POINTS

#: A point that is not reached in this time, several times over, is none.
_TIMEOUT_SECONDS: Final = 45.0
_MISSES: Final = 4
#: No group runs further ahead of the slowest.
_AHEAD: Final = 2
#: Points of one process, by the first word of their names: one of them is set at a time.
GROUPS: Final = (
    ("instance",),
    ("relay", "publisher"),
    ("consumer", "dispatcher"),
    ("sweeper",),
    ("worker",),
    ("reaper",),
    ("fanout", "gateway"),
)
#: A kill point that a process passes once in its life, when it is needed first -> the service that has to start again.
_AT_THE_START: Final = {"gateway.following": "gateway"}
#: What these do follows from workers that were lost.
_FOLLOW_LOSSES: Final = frozenset({"sweeper", "reaper"})


class KillPoints:
    """Sets points by making their files, and counts those that were taken."""

    def __init__(
        self,
        folder: Path,
        times: int,
        seed: int,
        tell: Callable[..., None],
        *,
        restart: Callable[[str], object],
        late: Callable[[], bool],
    ) -> None:
        self.hits: Counter[str] = Counter(dict.fromkeys(POINTS, 0))
        self.unreached: set[str] = set()
        self._folder = folder
        self._times = times
        self._random = random.Random(seed)
        self._tell = tell
        self._restart = restart
        self._late = late

    async def run(self) -> None:
        """Return once every point was hit often enough or proved unreachable, or it is late."""
        assert {name.partition(".")[0] for name in POINTS} == {word for group in GROUPS for word in group}
        tasks = {group: asyncio.create_task(self._group(group)) for group in GROUPS if "worker" not in group}
        following = [task for group, task in tasks.items() if set(group) & _FOLLOW_LOSSES]
        await asyncio.gather(self._group(("worker",), following), *tasks.values())

    async def _group(self, words: tuple[str, ...], following: Sequence[asyncio.Task[None]] = ()) -> None:
        names = [name for name in POINTS if name.partition(".")[0] in words]
        while not self._late():
            open_names = [n for n in names if self.hits[n] < self._times and n not in self.unreached]
            if not open_names:
                # Nothing would be swept or reaped any more: some worker has to go on dying.
                if all(task.done() for task in following):
                    return
                await self._hit("worker.claimed", counted=False)
                continue
            least = min(self.hits[n] for n in open_names)
            slowest = min(self.hits[n] for n in POINTS if n not in self.unreached)
            if "worker" not in words and least > slowest + _AHEAD:
                # What these kill is what the others need to be reached; lost workers alone help them.
                await asyncio.sleep(0.5)
                continue
            await self._hit(self._random.choice([n for n in open_names if self.hits[n] == least]))

    async def _hit(self, name: str, *, counted: bool = True) -> None:
        file = self._folder / name
        for _ in range(_MISSES):
            file.touch()
            if name in _AT_THE_START:
                self._restart(_AT_THE_START[name])
            if await self._taken(file):
                if counted:
                    self.hits[name] += 1
                self._tell("point", name=name)
                # The next one finds the process started again, or another in its place.
                await asyncio.sleep(self._random.uniform(0.2, 1.0))
                return
            file.unlink(missing_ok=True)
        if counted:
            self.unreached.add(name)
            self._tell("unreached", name=name)

    async def _taken(self, file: Path) -> bool:
        waited = 0.0
        while waited < _TIMEOUT_SECONDS:
            if not os.path.exists(file):  # noqa: ASYNC240 - a look at a folder in memory
                return True
            await asyncio.sleep(0.05)
            waited += 0.05
        return False
