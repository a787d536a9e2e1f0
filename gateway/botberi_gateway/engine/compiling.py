"""Programs of operations that come again -> compiled in a thread, one at a time, when the event loop is idle."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from botberi_gateway.errors import GatewayError

#: Seconds that are waited before each function. A timer that fires over a millisecond late shows that the event loop is
#: busy: it is waited again, `_MAX_PAUSES` times at most, as a loop under load always is.
_PAUSE_SECONDS: Final = 0.005
_MAX_LATE_SECONDS: Final = 0.001
_MAX_PAUSES: Final = 20
#: Programs that wait. What doesn't fit is asked for again by the operation's next run.
_MAX_WAITING: Final = 1_000

#: Runs a function in a thread.
Submit = Callable[[Callable[[], Any]], "asyncio.Future[Any]"]


class IdleCompiler:
    """Calls functions one after another, each in a thread and when the event loop is idle."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._waiting: deque[tuple[Callable[[], Any], Callable[[Any], None]]] = deque()
        self._is_active = False
        self._pauses = 0
        self._timer: asyncio.TimerHandle | None = None

    def later(self, work: Callable[[], Any], then: Callable[[Any], None]) -> bool:
        """Call `work` in a thread, and on the event loop `then` with its result, unless `work` raises.

        False where too many functions wait already.
        """
        if len(self._waiting) >= _MAX_WAITING:
            return False
        self._waiting.append((work, then))
        if not self._is_active:
            self._is_active = True
            self._pause()
        return True

    def close(self) -> None:
        """Drop what waits; a function that runs ends."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + _PAUSE_SECONDS, self._look, loop.time() + _PAUSE_SECONDS)

    def _look(self, due: float) -> None:
        if not self._waiting:
            self._is_active = False
            return
        if self._pauses < _MAX_PAUSES and asyncio.get_running_loop().time() - due > _MAX_LATE_SECONDS:
            self._pauses += 1
            self._pause()
            return
        self._pauses = 0
        work, then = self._waiting.popleft()
        try:
            future = self._submit(work)
        except GatewayError:  # too many new operations are being planned, which is more urgent
            self._waiting.appendleft((work, then))
            self._pause()
            return

        def done(future: "asyncio.Future[Any]") -> None:
            try:
                if not future.cancelled() and future.exception() is None:
                    then(future.result())
            finally:
                self._pause()

        future.add_done_callback(done)
