"""Equal work at the same time -> done once, and all who asked get its result."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

ResultT = TypeVar("ResultT")


@dataclass(slots=True, eq=False)
class _Flight(Generic[ResultT]):
    """Work under way, and how many wait for it."""

    future: asyncio.Future[ResultT]
    waiting: int = 0


class SingleFlight(Generic[ResultT]):
    """Work under way, by key."""

    def __init__(self, *, cancels: bool = False, on_joined: Callable[[], None] = lambda: None) -> None:
        """`cancels` ends work when all who wait for it are gone; work in a thread can't be ended.

        `on_joined` is called for each piece of work that was saved.
        """
        self._cancels, self._on_joined = cancels, on_joined
        self._flights: dict[Hashable, _Flight[ResultT]] = {}

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._flights)

    async def run(
        self, key: Hashable, begin: Callable[[], asyncio.Future[ResultT]], timeout_seconds: float | None = None
    ) -> ResultT:
        """The result of the work with this key that is under way, or of the one that `begin` starts.

        Raises what the work raises, and `TimeoutError` when this caller has waited so long; others go on waiting.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(begin())
            flight.future.add_done_callback(partial(self._forget, key, flight))
        else:
            self._on_joined()
        future = flight.future
        flight.waiting += 1
        try:
            # Not awaited itself: cancelling one caller, or its time being over, must not cancel the work of the others.
            await asyncio.wait((future,), timeout=timeout_seconds)
            if not future.done():
                raise TimeoutError
            try:
                return future.result()
            except Exception as error:
                # One exception serves every caller; its traceback must not grow with each.
                raise error.with_traceback(None) from None
        finally:
            flight.waiting -= 1
            if self._cancels and not flight.waiting and not future.done():
                self._forget(key, flight, future)
                future.cancel()
            # The traceback holds this frame, which must not hold the future that holds the error.
            del future, flight

    def _forget(self, key: Hashable, flight: _Flight[ResultT], _: asyncio.Future[ResultT]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
