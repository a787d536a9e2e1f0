"""Options -> a stage, runs on it, blows against it, the evidence checked: an outcome."""

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from botberi.faults import gather, load
from botberi.faults.audit import Audit
from botberi.faults.blows import Blows
from botberi.faults.checker import Violation, check
from botberi.faults.clients import Clients, Follower, Socket
from botberi.faults.evidence import Evidence
from botberi.faults.points import KillPoints
from botberi.faults.schedule import KILLS, schedule
from botberi.faults.stage import Stage

_SOCKETS: Final = 4
_FOLLOWERS: Final = 2
#: Instances that are made and have not ended, at most.
_WINDOW: Final = 48
_CANCELLED_SHARE: Final = 0.04
#: Without any change for so long, what has not ended is stuck. Twice the bound of a run whose worker was lost.
_STUCK_SECONDS: Final = 60.0
_SETTLE_SECONDS: Final = 45.0
_LOOK_SECONDS: Final = 0.25
_TOLD_EVERY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to do: instances, random kills, and how often each kill point is tried."""

    runs: int
    kills: int
    seed: int
    points: int = 0
    #: After so many minutes nothing new begins: what has begun is ended, checked and reported.
    minutes: float = float("inf")


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    options: Options
    runs: int = 0
    kills: int = 0
    seconds: float = 0.0
    violations: list[Violation] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    endings: list[dict[str, object]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Trace:
    """What happened, a JSON line each, with seconds since the beginning."""

    def __init__(self, file: Path, say: Callable[[str], None]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("w")
        self._began = time.monotonic()
        self.say = say

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def __call__(self, event: str, **facts: object) -> None:
        self._file.write(json.dumps({"at": round(self.seconds, 2), "event": event} | facts) + "\n")
        self._file.flush()

    def close(self) -> None:
        """The end."""
        self._file.close()


async def perform(options: Options, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Run it; logs and trace stay in the folder."""
    trace = Trace(folder / "trace.jsonl", say)
    evidence = Evidence()
    outcome = Outcome(options)
    say(f"seed {options.seed}; starting everything in {folder}")
    try:
        async with contextlib.AsyncExitStack() as stack:
            stage = await stack.enter_async_context(Stage(folder, trace))
            audit = Audit(lambda: stage.rabbitmq.url)
            await audit.start()
            stack.push_async_callback(audit.stop)
            await stage.start_services()
            say(f"started after {trace.seconds:.0f} s")
            performance = _Performance(options, stage, audit, evidence, trace, outcome)
            await performance.play()
            await asyncio.to_thread(
                gather.gather, stage.postgres.url("shared_psql"), stage.postgres.url("user_psql"), evidence
            )
            outcome.statuses, outcome.endings = gather.facts(stage.postgres.url("shared_psql"))
    finally:
        trace.close()
    evidence.heard = audit.heard
    outcome.violations += check(evidence)
    outcome.runs = len(evidence.rows)
    outcome.kills = sum(outcome.points.values()) + outcome.kills
    outcome.counts |= _counts(evidence)
    outcome.seconds = trace.seconds
    return outcome


class _Performance:
    """Runs and blows on a stage that stands."""

    def __init__(
        self, options: Options, stage: Stage, audit: Audit, evidence: Evidence, trace: Trace, outcome: Outcome
    ) -> None:
        self._options = options
        self._stage = stage
        self._audit = audit
        self._evidence = evidence
        self._trace = trace
        self._outcome = outcome
        self._random = random.Random(options.seed)
        self._numbers = itertools.count()
        self._room = asyncio.Semaphore(0)
        self._progress = gather.Progress(0, 0, 0, 0)
        self._agent = ""
        self._clients: Clients
        self._sockets: list[Socket] = []

    async def play(self) -> None:
        """Everything up to the moment at which nothing moves any more."""
        async with contextlib.AsyncExitStack() as stack:
            self._clients = Clients(self._stage.endpoint, self._evidence)
            stack.push_async_callback(self._clients.aclose)
            await self._clients.sign_in(self._stage.user.email, self._stage.user.password)
            self._agent = await self._clients.agent(load.AGENT)
            self._sockets = [Socket(self._clients, self._evidence) for _ in range(_SOCKETS)]
            followers = [Follower(self._clients, self._evidence) for _ in range(_FOLLOWERS)]
            for stop in [one.stop for one in self._sockets] + [one.stop for one in followers]:
                stack.push_async_callback(stop)
            watcher = asyncio.create_task(self._look(), name="progress")
            stack.callback(watcher.cancel)
            await self._random_blows()
            if self._options.points:
                await self._kill_points()
            await self._settle()
            self._outcome.counts["reconnects of sockets"] = sum(one.reconnects for one in self._sockets)

    # -- the two acts --------------------------------------------------------------------------

    async def _random_blows(self) -> None:
        blows = Blows(self._stage, self._audit, self._trace)
        waiting = schedule(self._options.runs, self._options.kills, self._options.seed)
        striking: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for number in range(self._options.runs):
                if self._late():
                    waiting.clear()
                    break
                while waiting and waiting[0].after <= number:
                    striking.append(group.create_task(blows.strike(waiting.pop(0))))
                await self._make(group)
            striking += [group.create_task(blows.strike(blow)) for blow in waiting]
        self._outcome.struck = blows.struck
        self._outcome.kills = sum(count for kind, count in blows.struck.items() if kind in KILLS)

    async def _kill_points(self) -> None:
        self._trace.say(f"kill points, each {self._options.points} times")
        points = KillPoints(self._stage.kill_points, self._options.points, self._options.seed, self._trace, self._late)
        tried = asyncio.create_task(points.run())
        async with asyncio.TaskGroup() as group:
            while not tried.done():
                await self._make(group)
        await tried
        self._outcome.points = points.hits
        self._outcome.violations += [
            Violation("unreached", name, "the kill point was not reached") for name in sorted(points.unreached)
        ]

    def _late(self) -> bool:
        return self._trace.seconds > self._options.minutes * 60

    async def _make(self, group: asyncio.TaskGroup) -> None:
        """One more instance, once there is room for it."""
        await self._room.acquire()
        number = next(self._numbers)
        cancel = self._random.random() < _CANCELLED_SHARE
        group.create_task(self._instance(number, self._random.uniform(0.0, 1.0) if cancel else None))

    async def _instance(self, number: int, cancel_after: float | None) -> None:
        key = f"run-{number:06d}"
        self._evidence.expected[key] = load.result(number)
        try:
            instance = await self._clients.create(key, self._agent, load.parameters(number))
        except TimeoutError:
            return
        await self._sockets[number % _SOCKETS].watch(instance)
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            await self._clients.cancel(instance)

    # -- how far it is -------------------------------------------------------------------------

    async def _look(self) -> None:
        given, told = 0, self._trace.seconds
        while True:
            seen = await asyncio.to_thread(gather.progress, self._stage.postgres.url("shared_psql"))
            if seen is not None:
                self._progress = seen
                # Rooms: one for each that has ended, and the window.
                rooms = seen.made - seen.open + _WINDOW
                for _ in range(max(0, rooms - given)):
                    self._room.release()
                given = max(given, rooms)
            if self._trace.seconds - told > _TOLD_EVERY_SECONDS:
                told = self._trace.seconds
                self._trace.say(
                    f"{told:5.0f} s: {self._progress.made} made, {self._progress.open} open, "
                    f"{self._progress.unpublished} events wait"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _settle(self) -> None:
        """Until every run has ended and everybody knows, or nothing has moved for too long."""
        for proxy in self._stage.wires.values():
            proxy.heal()
        moved, before = time.monotonic(), self._progress
        while self._progress.open or self._progress.made < len(self._evidence.made):
            if self._progress != before:
                moved, before = time.monotonic(), self._progress
            if time.monotonic() - moved > _STUCK_SECONDS:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        self._trace("quiet", made=self._progress.made, open=self._progress.open)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline and not await self._everybody_knows():  # noqa: ASYNC110 - asked of databases
            await asyncio.sleep(1.0)
        # What was sent again by mistake would come now.
        await asyncio.sleep(2.0)
        self._trace("settled")

    async def _everybody_knows(self) -> bool:
        if self._progress.unpublished or not all(watch.completed for watch in self._evidence.watches.values()):
            return False
        urls = (self._stage.postgres.url("shared_psql"), self._stage.postgres.url("user_psql"))
        return await asyncio.to_thread(gather.unheard, *urls, {one.id for one in self._audit.heard}) == 0


def _counts(evidence: Evidence) -> dict[str, int]:
    watches: list[Any] = list(evidence.watches.values())
    return {
        "events written": len(evidence.changes),
        "distinct events heard": len({one.id for one in evidence.heard}),
        "deliveries to the audit": len(evidence.heard),
        "states seen by subscribers": sum(len(watch.seen) for watch in watches),
        "subscriptions resumed": sum(watch.resumed for watch in watches),
        "answers with errors": sum(watch.errors for watch in watches),
        "cancels answered": len(evidence.cancelled),
        "runs of more than one attempt": sum(row.attempt > 1 for row in evidence.rows),
    }
