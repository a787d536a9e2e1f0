"""NOTIFY of a database -> a wake-up, on a connection that is watched and replaced when it breaks.

A wake-up may be missed (the server forgets a listener whose connection broke, and a dead peer raises
nothing): what waits for it also looks from time to time.
"""

import asyncio
import logging
from typing import Any

from botberi_gateway.backoff import Backoff
from event_broker.broken_off import cancelled_only_if_asked
from event_broker.connection import close, connect, log_lost, wait_for_any
from event_broker.metrics import LISTENER_RECONNECTS

log = logging.getLogger(__name__)


class Listener:
    """LISTENs on one channel and sets `wake_up` at every notification, and after every connect."""

    def __init__(
        self,
        database: str,
        url: str,
        wake_up: asyncio.Event,
        *,
        channel: str = "outbox",
        probe_interval: float = 5.0,
        probe_timeout: float = 3.0,
    ) -> None:
        self._database = database
        self._url = url
        self._wake_up = wake_up
        self._channel = channel
        self._probe_interval = probe_interval
        self._probe_timeout = probe_timeout
        self.connected = False

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set."""
        backoff = Backoff(0.2, 5.0)
        while not stop.is_set():
            try:
                with cancelled_only_if_asked():
                    await self._listen(stop, backoff)
            except Exception as error:
                log_lost(log, f"{self._database}: the listener", error)
                LISTENER_RECONNECTS.labels(self._database).inc()
                await wait_for_any(backoff.next(), stop)
            finally:
                self.connected = False

    async def _listen(self, stop: asyncio.Event, backoff: Backoff) -> None:
        connection = await connect(self._url, "botberi-listener")
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(self._channel, self._on_notify)
            self.connected = True
            backoff.reset()
            # Notifications may have come while there was no connection.
            self._wake_up.set()
            while not stop.is_set():
                await wait_for_any(self._probe_interval, stop, lost)
                if lost.is_set():
                    raise ConnectionError("the server ended the session")
                # A black hole swallows notifications without any error: only an answer proves the line.
                await connection.fetchval("SELECT 1", timeout=self._probe_timeout)
        finally:
            await close(connection)

    def _on_notify(self, _connection: Any, _pid: int, _channel: str, _payload: Any) -> None:
        self._wake_up.set()
