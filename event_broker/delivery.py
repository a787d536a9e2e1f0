"""An event and a handler -> handled, or given up after retries; in order per aggregate."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from event_broker.broken_off import cancelled_only_if_asked
from event_broker.bus import Handler
from event_broker.metrics import HANDLER_FAILURES
from shared_schema.contracts.events import Event
from shared_schema.origin import acting

log = logging.getLogger(__name__)

#: Characters of an error that go with a dead letter.
MAX_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of a handler's tries within one delivery, and the pauses between them."""

    attempts: int = 6
    first_delay: float = 0.1
    factor: float = 4.0
    # Six attempts span half a minute: a database that restarts must not make poison of good events.
    max_delay: float = 30.0
    handler_timeout: float = 60.0

    def delay(self, attempt: int) -> float:
        """Return the pause after the given attempt (1 is the first)."""
        return float(min(self.first_delay * self.factor ** (attempt - 1), self.max_delay))


class Deliveries:
    """Runs a queue's handler; events of one aggregate wait for one another, others do not."""

    def __init__(self, queue: str, handler: Handler, retry: RetryPolicy) -> None:
        self._queue = queue
        self._handler = handler
        self._retry = retry
        self._turns: dict[UUID, tuple[asyncio.Lock, int]] = {}

    @property
    def attempts(self) -> int:
        """Number of tries of a handler within one delivery."""
        return self._retry.attempts

    async def deliver(self, event: Event) -> str | None:
        """Return None when the event was handled; for poison, what its handler said at last, as one line."""
        said = ""
        async with self._turn(event.subject):
            for attempt in range(1, self._retry.attempts + 1):
                try:
                    async with asyncio.timeout(self._retry.handler_timeout):
                        with cancelled_only_if_asked(), _in_trace_of(event):
                            await self._handler(event)
                except Exception as error:
                    said = f"{type(error).__name__}: {error}".partition("\n")[0][:MAX_REASON]
                    self._log(event, attempt, error)
                    if attempt < self._retry.attempts:
                        await asyncio.sleep(self._retry.delay(attempt))
                else:
                    return None
        return said

    def _log(self, event: Event, attempt: int, error: Exception) -> None:
        HANDLER_FAILURES.labels(self._queue).inc()
        last = attempt == self._retry.attempts
        log.log(
            logging.ERROR if last else logging.WARNING,
            "%s: handling %s of %s failed (attempt %d of %d): %s: %s",
            self._queue,
            event.type,
            event.subject,
            attempt,
            self._retry.attempts,
            type(error).__name__,
            error,
            exc_info=error if last else None,
        )

    @asynccontextmanager
    async def _turn(self, subject: UUID) -> AsyncIterator[None]:
        lock, waiting = self._turns.get(subject, (asyncio.Lock(), 0))
        self._turns[subject] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns[subject]
            if waiting == 1:
                del self._turns[subject]
            else:
                self._turns[subject] = (lock, waiting - 1)


def _in_trace_of(event: Event) -> AbstractContextManager[None]:
    """Attribute a handler's changes to the trace of the event; the actor is the handler's own program."""
    return acting(traceparent=event.traceparent) if event.traceparent else nullcontext()
