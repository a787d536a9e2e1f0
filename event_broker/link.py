"""A URL and what to do on a channel -> the same kept up: connected, watched, connected again.

aio-pika's robust connections restore only what they still hold a reference to, miss a consumer that
the broker cancelled and have been seen to stay dead; here a lost channel ends the session and the next
one is made from nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import AbstractChannel as UnderlayChannel

from botberi_gateway.backoff import Backoff
from event_broker.broken_off import cancelled_only_if_asked
from event_broker.bus import BusError, BusUnavailable, TopologyMismatch
from event_broker.metrics import BLOCKED, RECONNECTS
from event_broker.probe import Probe

log = logging.getLogger(__name__)

#: Seconds between a session's looks at whether the broker takes messages: aiormq reports no change of that.
_LOOK: Final = 0.25


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Limits on waiting for the broker."""

    connect_timeout: float = 10.0
    # How long `start()` keeps trying before it gives up.
    start_timeout: float = 60.0
    operation_timeout: float = 10.0
    # Both sides send a beat at half of this; a peer that misses two is dead.
    heartbeat: int = 10
    # How often a session asks the broker whether what it relies on is still there.
    probe_interval: float = 10.0
    # Followers of a connection that stays away for longer are ended with an error: they would miss events.
    silence: float = 10.0
    first_backoff: float = 0.2
    max_backoff: float = 5.0


async def open_connection(url: str, name: str, options: LinkOptions) -> AbstractConnection:
    """Connect once; raises `BusUnavailable`."""
    try:
        async with asyncio.timeout(options.connect_timeout):
            return await aio_pika.connect(
                url,
                timeout=options.connect_timeout,
                heartbeat=options.heartbeat,
                client_properties={"connection_name": name},
            )
    except (OSError, TimeoutError, aio_pika.exceptions.AMQPError) as error:
        raise BusUnavailable(f"RabbitMQ does not answer: {describe(error)}") from error


async def close_connection(connection: AbstractConnection) -> None:
    """Close without caring how; a broken connection cannot be closed well."""
    with suppress(Exception):
        async with asyncio.timeout(2.0):
            await connection.close()


def describe(error: BaseException) -> str:
    """Return an error as one line without the URL, which holds a password."""
    return f"{type(error).__name__}: {error}"[:300] if str(error) else type(error).__name__


class Link:
    """Runs sessions one after another until closed. A session is: set up, be ready, watch, end."""

    def __init__(
        self,
        url: str,
        name: str,
        options: LinkOptions,
        set_up: Callable[[AbstractConnection, AbstractChannel], Awaitable[None]],
        probe: Callable[[AbstractChannel], Awaitable[None]],
    ) -> None:
        self._url = url
        self._name = name
        self._options = options
        self._set_up = set_up
        self._probe = probe
        self._ready = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        # Set by an error that no second attempt can fix: an operator must act.
        self._hopeless = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    @property
    def ready(self) -> bool:
        """True if a session is up at this moment."""
        return self._ready.is_set()

    @property
    def blocked(self) -> bool:
        """True if the broker said that it takes no messages on this connection: an alarm of its memory or disk."""
        return not self._flowing.is_set()

    async def start(self) -> None:
        """Return once the first session is up; raises `BusUnavailable`, and `TopologyMismatch` at once."""
        self._task = asyncio.create_task(self._run(), name=self._name)
        ready = asyncio.create_task(self.wait_ready(self._options.start_timeout))
        hopeless = asyncio.create_task(self._hopeless.wait())
        try:
            await asyncio.wait({ready, hopeless}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done() and isinstance(self._failure, TopologyMismatch):
                raise self._failure
            await ready
        except BusError:
            await self.aclose()
            raise
        finally:
            ready.cancel()
            hopeless.cancel()

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Return once a session is up; raises `BusUnavailable`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._ready.wait()
        except TimeoutError as error:
            reason = f": {describe(self._failure)}" if self._failure else ""
            raise BusUnavailable(f"{self._name} is not connected to RabbitMQ{reason}") from error

    async def wait_flowing(self) -> None:
        """Return once the broker takes messages."""
        await self._flowing.wait()

    async def aclose(self) -> None:
        """End the session and start no other."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        # Processes that lost the same broker must not come back in step.
        backoff = Backoff(self._options.first_backoff, self._options.max_backoff, spread=True)
        while True:
            was_up = False
            try:
                with cancelled_only_if_asked():
                    await self._session()
            except Exception as error:
                was_up = self._ready.is_set()
                self._failure = error
                if isinstance(error, TopologyMismatch):
                    log.error("%s: %s", self._name, error)
                    self._hopeless.set()
                else:
                    log.warning("%s: %s; connecting again", self._name, describe(error))
            finally:
                self._ready.clear()
                self._note_blocked(blocked=False)
            RECONNECTS.labels(self._name).inc()
            if was_up:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    async def _session(self) -> None:
        connection = await open_connection(self._url, self._name, self._options)
        try:
            async with asyncio.timeout(self._options.operation_timeout):
                channel = await connection.channel(publisher_confirms=True)
                cancelled = await self._watch_cancel(channel)
                await self._set_up(connection, channel)
            self._ready.set()
            await self._watch(connection, channel, cancelled)
        finally:
            await close_connection(connection)

    async def _watch_cancel(self, channel: AbstractChannel) -> asyncio.Event:
        cancelled = asyncio.Event()
        underlay: UnderlayChannel = await channel.get_underlay_channel()

        async def on_cancel(_: object) -> None:
            cancelled.set()

        underlay.on_consumer_cancel_callbacks.add(on_cancel)
        return cancelled

    async def _watch(self, connection: AbstractConnection, channel: AbstractChannel, cancelled: asyncio.Event) -> None:
        """Return never; raise when the session is over."""
        probe = Probe(
            lambda: self._probe(channel),
            interval=self._options.probe_interval,
            timeout_seconds=self._options.operation_timeout,
        )
        closed = asyncio.ensure_future(channel.closed())
        stopped = asyncio.create_task(cancelled.wait())
        try:
            while True:
                done, _ = await asyncio.wait(
                    {closed, stopped},
                    timeout=min(_LOOK, self._options.probe_interval),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if closed in done:
                    closed.result()
                    raise BusUnavailable("the channel was closed")
                if stopped in done:
                    raise BusUnavailable("the broker cancelled the consumer")
                self._note_blocked(blocked=await _is_blocked(connection))
                probe.look(blocked=self.blocked)
        finally:
            probe.cancel()
            closed.cancel()
            stopped.cancel()

    def _note_blocked(self, *, blocked: bool) -> None:
        if blocked == self.blocked:
            return
        BLOCKED.labels(self._name).set(int(blocked))
        if blocked:
            self._flowing.clear()
            log.error(
                "%s: RabbitMQ takes no messages: it is short of memory or disk (rabbitmq-diagnostics alarms)",
                self._name,
            )
        else:
            self._flowing.set()
            log.warning("%s: RabbitMQ takes messages again", self._name)


async def _is_blocked(connection: AbstractConnection) -> bool:
    if connection.transport is None:
        return False
    try:
        # Returns at once unless the broker has said `connection.blocked`.
        async with asyncio.timeout(0):
            await connection.transport.connection.ready()
    except TimeoutError:
        return True
    return False
