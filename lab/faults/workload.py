"""An environment -> the platform on it, with clients: instances made and watched, and the evidence of them all."""

import asyncio
import contextlib
import itertools
import random
import time
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from lab.faults import gather, load
from lab.faults.audit import Audit
from lab.faults.clients import Clients, Follower, Socket
from lab.faults.embedded import EmbeddedEnvironment
from lab.faults.environment import Environment
from lab.faults.evidence import Evidence
from lab.faults.trace import Trace

S = TypeVar("S", bound=Environment | EmbeddedEnvironment)

_SOCKETS: Final = 4
_FOLLOWERS: Final = 2
#: Instances that are made and have not ended, at most.
_WINDOW: Final = 48
_CANCELLED_SHARE: Final = 0.04
#: Without any change for so long, what has not ended is stuck: the bound of a run whose worker was lost, twice.
_STUCK_SECONDS: Final = 60.0
#: The same while servers are still being killed and started.
_STANDSTILL_SECONDS: Final = 240.0
_SETTLE_SECONDS: Final = 45.0
_LOOK_SECONDS: Final = 0.25
_REPORT_SECONDS: Final = 10.0


class Standstill(Exception):
    """Nothing has changed for so long that nothing will."""


class Workload(Generic[S]):
    """`async with Workload(environment, seed, trace) as workload:` everything runs and nothing has happened yet."""

    def __init__(self, environment: S, seed: int, trace: Trace) -> None:
        self.evidence = Evidence()
        self.environment = environment
        #: Hears every event, where somebody beside the platform can.
        self.audit = Audit(lambda: environment.rabbitmq.url) if isinstance(environment, Environment) else None
        self._trace = trace
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._room = asyncio.Semaphore(0)
        self._progress = gather.Progress(0, 0, 0, 0)
        self._moved = time.monotonic()
        self._agent = ""
        self._clients: Clients
        self._sockets: list[Socket] = []
        self._stack = contextlib.AsyncExitStack()

    @property
    def reconnects(self) -> int:
        """How often watching sockets had to come back."""
        return sum(one.reconnects for one in self._sockets)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a request of the account that runs agents."""
        return self._clients.headers

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _open(self) -> None:
        await self._stack.enter_async_context(self.environment)
        if self.audit is not None:
            await self.audit.start()
            self._stack.push_async_callback(self.audit.stop)
        await self.environment.start_services()
        self._clients = Clients(self.environment.endpoint, self.evidence)
        self._stack.push_async_callback(self._clients.aclose)
        await self._clients.sign_in(self.environment.user.email, self.environment.user.password)
        self._agent = await self._clients.agent(load.AGENT)
        self._sockets = [Socket(self._clients, self.evidence, resumes=bool(one % 2)) for one in range(_SOCKETS)]
        followers = [Follower(self._clients, self.evidence) for _ in range(_FOLLOWERS)]
        for stop in [one.stop for one in self._sockets] + [one.stop for one in followers]:
            self._stack.push_async_callback(stop)
        watcher = asyncio.create_task(self._look(), name="progress")
        self._stack.callback(watcher.cancel)
        self._trace.say(f"started after {self._trace.seconds:.0f} s")

    # -- what happens --------------------------------------------------------------------------

    async def make(self, group: asyncio.TaskGroup) -> None:
        """One more instance, once there is room for it; its client lives in the group. Raises `Standstill`."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room.acquire(), 1.0)
                break
            if time.monotonic() - self._moved > _STANDSTILL_SECONDS:
                raise Standstill
        number = next(self._numbers)
        cancel = self._random.random() < _CANCELLED_SHARE
        group.create_task(self._instance(number, self._random.uniform(0.0, 1.0) if cancel else None))

    async def some(self, count: int) -> None:
        """So many more instances, made and watched; they need not have ended."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                await self.make(group)

    async def settle(self) -> None:
        """Wait until every run has ended and all clients know, or nothing moved for too long; then read the tables."""
        for proxy in self.environment.wires.values():
            proxy.heal()
        self._moved = time.monotonic()
        await self._until_ended()
        self._trace("quiet", made=self._progress.made, open=self._progress.open)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline and not await self._everybody_knows():  # noqa: ASYNC110 - asked of databases
            await asyncio.sleep(1.0)
        # What was sent again by mistake would come now.
        await asyncio.sleep(2.0)
        await asyncio.to_thread(gather.gather, *self._urls, self.evidence)
        if self.audit is not None:
            self.evidence.heard = list(self.audit.heard)
        self._trace("settled")

    async def _instance(self, number: int, cancel_after: float | None) -> None:
        key = f"run-{number:06d}"
        self.evidence.expected[key] = load.result(number)
        try:
            instance = await self._clients.create(key, self._agent, load.parameters(number))
        except TimeoutError:
            return
        await self._sockets[number % _SOCKETS].watch(instance)
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            await self._clients.cancel(instance)

    # -- how far it is -------------------------------------------------------------------------

    @property
    def _urls(self) -> tuple[str, str]:
        return self.environment.database_url("shared_psql"), self.environment.database_url("user_psql")

    async def _look(self) -> None:
        given, reported = 0, self._trace.seconds
        while True:
            seen = await asyncio.to_thread(gather.progress, self._urls[0])
            if seen is not None:
                if seen != self._progress:
                    self._progress, self._moved = seen, time.monotonic()
                # Rooms: one for each that has ended, and the window.
                rooms = seen.made - seen.open + _WINDOW
                for _ in range(max(0, rooms - given)):
                    self._room.release()
                given = max(given, rooms)
            if self._trace.seconds - reported > _REPORT_SECONDS:
                reported = self._trace.seconds
                self._trace.say(
                    f"{reported:5.0f} s: {self._progress.made} made, {self._progress.open} open, "
                    f"{self._progress.unpublished} events wait"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _until_ended(self) -> None:
        while self._progress.open or self._progress.made < len(self.evidence.made):
            if time.monotonic() - self._moved > _STUCK_SECONDS:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _everybody_knows(self) -> bool:
        if self._progress.unpublished or not all(watch.completed for watch in self.evidence.watches.values()):
            return False
        if self.audit is None:
            return True
        return await asyncio.to_thread(gather.unheard, *self._urls, {one.id for one in self.audit.heard}) == 0
