"""Equal whole queries at the same time -> one execution; everybody gets its bytes."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from botberi_gateway.upstream.sharing import TRACING_HEADERS

ResultT = TypeVar("ResultT")

#: The body is compared by what it says.
_NOT_COMPARED: Final = TRACING_HEADERS | {"content-length"}


def asker(headers: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The headers that distinguish requests of different callers, as a set.

    Every header counts but those of tracing, as an authenticator may look at any.
    """
    return frozenset(pair for pair in headers.items() if pair[0] not in _NOT_COMPARED)


@dataclass(slots=True)
class _Running(Generic[ResultT]):
    task: asyncio.Task[ResultT]
    waiting: int = 0


class Sharing(Generic[ResultT]):
    """Work under way, by key. It is cancelled when all who wait for it are gone."""

    def __init__(self, joined: Callable[[], None]) -> None:
        """`joined` is called for each execution that was saved."""
        self._joined = joined
        self._running: dict[Hashable, _Running[ResultT]] = {}

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """The result of `work`, or of an equal one that runs already."""
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = _Running(asyncio.get_running_loop().create_task(work()))
            running.task.add_done_callback(lambda _: self._over(key, running))
        else:
            self._joined()
        running.waiting += 1
        try:
            # Not awaited itself: cancelling one who waits must not cancel it.
            await asyncio.wait((running.task,))
        finally:
            running.waiting -= 1
            if not running.waiting and not running.task.done():
                self._over(key, running)
                running.task.cancel()
        error = running.task.exception()
        if error is not None:
            # One exception serves all; its traceback must not grow with each.
            raise error.with_traceback(None) from None
        return running.task.result()

    def _over(self, key: Hashable, running: _Running[ResultT]) -> None:
        if self._running.get(key) is running:
            del self._running[key]
