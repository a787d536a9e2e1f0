"""Topic patterns that followers ask for -> the same patterns bound at a backend, by one task that alone speaks to it.

aiormq closes a channel when a call on it is cancelled, and a request may be cancelled at any moment. So no follower
awaits the broker: it notes what it wants and waits for a future, and this task, which no request can cancel, binds and
unbinds. A pattern stays bound for a while after its last follower: subscribers that come and go cost no round trips.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from broadcaster import BroadcastBackend

from event_broker.broken_off import cancelled_only_if_asked
from event_broker.bus import BusError, BusUnavailable

log = logging.getLogger(__name__)

MAX_PATTERNS: Final = 1000
#: Seconds that a pattern without followers stays bound. A reconnecting browser is back within it.
LINGER_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 2.0


@dataclass(slots=True, eq=False)
class _Pattern:
    bound: asyncio.Future[None]
    followers: int = 0
    idle_since: float = 0.0
    #: True if it was bound before: then it has to be unbound when no follower wants it any more.
    was_bound: bool = False


class Bindings:
    """The patterns of one backend. `want` and `release` never wait, so no cancellation comes between their steps."""

    def __init__(self, backend: BroadcastBackend, *, linger: float = LINGER_SECONDS) -> None:
        self._backend = backend
        self._linger = linger
        self._patterns: dict[str, _Pattern] = {}
        self._followed = 0
        # Patterns that are no longer wanted and may still be bound.
        self._to_unbind: set[str] = set()
        self._changed = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task. The backend is connected."""
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="fanout-bindings")

    async def aclose(self) -> None:
        """Stop the task, after what it is doing where that takes no longer than a moment; fail what waits."""
        self._closing = True
        self._changed.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for pattern in self._patterns.values():
            if not pattern.bound.done():
                _fail(pattern.bound, BusUnavailable("the bus was closed"))

    def want(self, name: str) -> asyncio.Future[None]:
        """Count one more follower; the future is done once the pattern is bound. Raises `BusError` at the limit.

        The future is shared: wait for it with `bound`, which leaves it alone when the waiter is cancelled.
        """
        pattern = self._patterns.get(name)
        if pattern is None or not pattern.followers:
            if self._followed >= MAX_PATTERNS:
                raise BusError(f"this process follows {MAX_PATTERNS} topic patterns already")
            self._followed += 1
        if pattern is None or (not pattern.followers and _failed(pattern)):
            pattern = self._patterns[name] = _Pattern(asyncio.get_running_loop().create_future())
            self._changed.set()
        pattern.followers += 1
        return pattern.bound

    def release(self, name: str) -> None:
        """Count one follower less."""
        pattern = self._patterns[name]
        pattern.followers -= 1
        if not pattern.followers:
            self._followed -= 1
            pattern.idle_since = asyncio.get_running_loop().time()
            self._changed.set()

    def doubt(self) -> None:
        """Bind every pattern again, as the backend lost messages or its connection.

        A follower that comes from now on waits until that has succeeded, or learns that the backend is away.
        """
        loop = asyncio.get_running_loop()
        for pattern in self._patterns.values():
            if pattern.bound.done() and not _failed(pattern):
                pattern.bound, pattern.was_bound = loop.create_future(), True
        self._changed.set()

    async def _run(self) -> None:
        while not self._closing:
            self._changed.clear()
            pending = [name for name, pattern in self._patterns.items() if not pattern.bound.done()]
            await asyncio.gather(*(self._bind(name) for name in pending))
            self._drop_idle()
            for name in sorted(self._to_unbind):
                await self._unbind(name)
            await self._wait()

    async def _bind(self, name: str) -> None:
        pattern = self._patterns[name]
        if not pattern.followers:
            # Its only followers were gone before it was bound.
            del self._patterns[name]
            if pattern.was_bound:
                self._to_unbind.add(name)
            return
        try:
            with cancelled_only_if_asked():
                await self._backend.subscribe(name)
        except Exception as error:
            if not isinstance(error, BusError):
                log.exception("cannot bind %s", name)
            # Who asks next is bound from the start again. Those who waited release what they hold themselves.
            failure = error if isinstance(error, BusError) else BusUnavailable(f"cannot bind {name}: {error}")
            _fail(pattern.bound, failure)
        else:
            self._to_unbind.discard(name)
            pattern.bound.set_result(None)

    def _drop_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        linger = self._linger if len(self._patterns) <= MAX_PATTERNS else 0.0
        for name, pattern in list(self._patterns.items()):
            if not pattern.bound.done():
                continue
            if not pattern.followers and (_failed(pattern) or now - pattern.idle_since >= linger):
                del self._patterns[name]
                self._to_unbind.add(name)

    async def _unbind(self, name: str) -> None:
        if name in self._patterns:
            # Wanted again meanwhile: it is bound with what is new, which is no error where it still was.
            self._to_unbind.discard(name)
            return
        try:
            with cancelled_only_if_asked():
                await self._backend.unsubscribe(name)
        except Exception as error:
            # Tried again later. Until then the queue gets events that no follower reads: a waste, no error.
            log.info("cannot unbind %s now: %s", name, error, exc_info=None if isinstance(error, BusError) else error)
        else:
            self._to_unbind.discard(name)

    async def _wait(self) -> None:
        """Return when something changed, or the next idle pattern has lingered long enough."""
        idle = [pattern.idle_since for pattern in self._patterns.values() if not pattern.followers]
        now = asyncio.get_running_loop().time()
        pause = max(0.0, min(idle) + self._linger - now) if idle else None
        if self._to_unbind:
            pause = self._linger if pause is None else min(pause, self._linger)
        try:
            async with asyncio.timeout(pause):
                await self._changed.wait()
        except TimeoutError:
            pass


async def bound(future: asyncio.Future[None]) -> None:
    """Return once the pattern is bound; raises `BusError`. A cancelled waiter leaves the others waiting."""
    await asyncio.wait({future})
    error = future.exception()
    if error is not None:
        # One exception serves all who waited; its traceback must not grow with each.
        raise error.with_traceback(None)


def _failed(pattern: _Pattern) -> bool:
    return pattern.bound.done() and pattern.bound.exception() is not None


def _fail(future: asyncio.Future[None], error: BaseException) -> None:
    future.set_exception(error)
    # The waiting task may be gone: then asyncio must not report "exception was never retrieved".
    future.exception()
