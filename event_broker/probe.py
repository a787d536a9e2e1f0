"""A question to the broker -> asked now and then, one at a time, and answered in time unless the broker is blocked."""

import asyncio
from collections.abc import Awaitable, Callable


class Probe:
    """Call `look` often: it asks when it is time, and raises what the answer was when that is bad or late.

    A broker with an alarm reads nothing of a publisher's connection: no new question is asked then, and one that is
    under way has its time once the alarm is over.
    """

    def __init__(self, ask: Callable[[], Awaitable[None]], *, interval: float, timeout_seconds: float) -> None:
        self._ask = ask
        self._interval = interval
        self._timeout_seconds = timeout_seconds
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        #: When the next question is due, or the answer to this one.
        self._due = self._loop.time() + interval

    def look(self, *, blocked: bool) -> None:
        """Ask, or see whether there is an answer. Raises `TimeoutError` where there is none in time."""
        now = self._loop.time()
        if self._task is None:
            if now >= self._due and not blocked:
                self._task = asyncio.create_task(self._asked(), name="probe")
                self._due = now + self._timeout_seconds
        elif self._task.done():
            answered, self._task = self._task, None
            self._due = now + self._interval
            answered.result()
        elif blocked:
            self._due = now + self._timeout_seconds
        elif now >= self._due:
            raise TimeoutError(f"the broker did not answer within {self._timeout_seconds:.0f} s")

    def cancel(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def _asked(self) -> None:
        await self._ask()
