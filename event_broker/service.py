"""Two databases and a bus -> the event broker: a listener and a relay for each database's outbox."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Self

from event_broker.bus import Bus
from event_broker.listener import Listener
from event_broker.relay import Relay, RelayOptions
from event_broker.settings import EventBrokerSettings

log = logging.getLogger(__name__)

# How long a batch that is under way may take once `stop` is set.
_STOP_SECONDS: Final = 15.0


class EventBroker:
    """`run(stop)` relays until `stop` is set; the bus is started here and closed by its caller."""

    def __init__(self, databases: Mapping[str, str], bus: Bus, settings: EventBrokerSettings | None = None) -> None:
        """Take the databases as {name: URL}."""
        settings = settings or EventBrokerSettings()
        options = RelayOptions(
            poll_interval=settings.relay_poll_seconds,
            batch_size=settings.relay_batch_size,
            retention=timedelta(hours=settings.outbox_retention_hours),
            inbox_retention=timedelta(hours=settings.inbox_retention_hours),
        )
        self._bus = bus
        self._listeners: list[Listener] = []
        self._relays: list[Relay] = []
        for name, url in databases.items():
            wake_up = asyncio.Event()
            self._listeners.append(
                Listener(
                    name,
                    url,
                    wake_up,
                    probe_interval=settings.listener_probe_seconds,
                    probe_timeout=settings.listener_probe_timeout_seconds,
                )
            )
            self._relays.append(Relay(name, url, bus, wake_up, options))

    @classmethod
    def from_settings(cls, settings: EventBrokerSettings, bus: Bus) -> Self:
        """Take both databases from the environment; raises `SettingsError` when one is not set."""
        databases = {
            "user_psql": settings.require_user_database_url(),
            "shared_psql": settings.require_shared_database_url(),
        }
        return cls(databases, bus, settings)

    @property
    def ready(self) -> bool:
        """True if events flow, or another broker sees to it: the bus is up, every database connected.

        A listener that is away costs a poll's length, no event, so it does not count.
        """
        return self._bus.ready and bool(self._relays) and all(relay.connected for relay in self._relays)

    @property
    def active(self) -> bool:
        """True if this process has a share in relaying every database."""
        return bool(self._relays) and all(relay.active for relay in self._relays)

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set; raises `BusUnavailable` when the bus cannot be reached at first."""
        await self._bus.start()
        tasks = [asyncio.create_task(listener.run(stop)) for listener in self._listeners]
        tasks += [asyncio.create_task(relay.run(stop)) for relay in self._relays]
        stopping = asyncio.create_task(stop.wait())
        try:
            # A part ends only when `stop` is set; should one end otherwise, all end, and loudly.
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        finally:
            stopping.cancel()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                log.error("the event broker failed: %s", result, exc_info=result)
                raise result
