"""kombu's pgmq transport, made safe for several processes that connect at once.

kombu 5.7 drops and makes the queue's NOTIFY trigger again for each consumer and each declaration; of two processes
that do so at the same moment one fails, and both lock the queue's table. Here `broker.ensure_pgmq` makes it once.
And it acknowledges on connections that are gone, with a traceback. And it waits for messages to the end of Celery's two
seconds while the worker shall stop, twice.
"""

from __future__ import annotations

import time
from typing import Any, Final

from celery.signals import worker_shutting_down
from kombu.transport import TRANSPORT_ALIASES, pgmq

#: A wait for messages is cut into pieces of this length, between which the end of the worker is noticed.
_SLICE_SECONDS: Final = 1.0


class Channel(pgmq.Channel):
    """A channel that listens for the trigger's notification, and leaves the trigger alone."""

    def _maybe_enable_notify(self, queue: str, queue_name: str | None = None) -> None:
        if self.use_notify:
            self.connection._register_notify_queue(queue_name or self._queue_name(queue))

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        # A channel whose connection was lost can't acknowledge: the message comes back, and finds nothing to do.
        if self.connection is not None:
            super().basic_ack(delivery_tag, multiple)  # type: ignore[no-untyped-call]

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if self.connection is not None:
            super().basic_reject(delivery_tag, requeue)  # type: ignore[no-untyped-call]


class Transport(pgmq.Transport):
    """`pgmq://` of this project."""

    Channel: Any = Channel
    #: True if this process's worker shall stop: no more messages are waited for.
    stopping = False

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Deliver messages, or raise `TimeoutError` after `timeout` seconds, or at once while the worker stops."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not Transport.stopping:
            left = _SLICE_SECONDS if deadline is None else min(deadline - time.monotonic(), _SLICE_SECONDS)
            if left <= 0:
                break
            try:
                super().drain_events(connection, timeout=left)  # type: ignore[no-untyped-call]
            except TimeoutError:
                continue
            return
        raise TimeoutError


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop_waiting(**_: object) -> None:
    Transport.stopping = True


def register() -> None:
    """Have kombu use it for `pgmq://` in this process."""
    TRANSPORT_ALIASES["pgmq"] = f"{__name__}:Transport"
