"""kombu's pgmq transport, made safe for several processes that connect at once.

kombu 5.7 drops and makes the queue's NOTIFY trigger anew for each consumer and each declaration; of two processes
that do so at the same moment one fails, and both lock the queue's table. Here `broker.ensure_pgmq` makes it once.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, pgmq


class Channel(pgmq.Channel):
    """A channel that listens for the trigger's bell, and leaves the trigger alone."""

    def _maybe_enable_notify(self, queue: str, queue_name: str | None = None) -> None:
        if self.use_notify:
            self.connection._register_notify_queue(queue_name or self._queue_name(queue))


class Transport(pgmq.Transport):
    """`pgmq://` of this project."""

    Channel: Any = Channel


def register() -> None:
    """Have kombu use it for `pgmq://` in this process."""
    TRANSPORT_ALIASES["pgmq"] = f"{__name__}:Transport"
