"""RabbitMQ: messages on a topic exchange, by their routing keys.

All followers of a process share a connection; each has a queue of its own, which goes with it. What is published while
the connection is lost isn't there afterwards: the gateway then reads the present state again (`snapshot`, cursors).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from botberi_gateway.config import EventSourceConfig
from botberi_gateway.errors import EventSourceError
from botberi_gateway.event_sources.message import event_of
from botberi_gateway.subscriptions.events import SourceEvent

logger = logging.getLogger(__name__)

_PREFETCH: Final = 200
_TIMEOUT_SECONDS: Final = 10.0
#: What aio-pika raises for a connection that is lost or was never there, or a broker that refuses.
_ERRORS: Final = (aio_pika.exceptions.AMQPError, OSError, RuntimeError, TimeoutError, asyncio.InvalidStateError)


class AmqpSource:
    """The exchange that the configuration names. It is declared where it isn't there (`topic`, durable)."""

    def __init__(self, config: EventSourceConfig) -> None:
        self._config = config
        self._url = config.url or ""
        self._connection: AbstractConnection | None = None
        self._opening = asyncio.Lock()
        self._followers = 0

    @asynccontextmanager
    async def follow(self, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[SourceEvent]]:
        """See `EventSource.follow`."""
        self._followers += 1
        channel: AbstractChannel | None = None
        arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue(self._config.max_queued_events)
        try:
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    channel = await (await self._open()).channel()
                    await self._consume(channel, topics, arrived)
            except _ERRORS as error:
                logger.warning("RabbitMQ can't be followed: %s", type(error).__name__)
                raise EventSourceError("The event source can't be reached.") from None
            yield self._events(arrived)
        finally:
            self._followers -= 1
            with suppress(*_ERRORS):
                async with asyncio.timeout(2):
                    if channel is not None:
                        await channel.close()
                    if not self._followers and self._connection is not None:
                        connection, self._connection = self._connection, None
                        await connection.close()

    async def _open(self) -> AbstractConnection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed:
                self._connection = await aio_pika.connect(self._url, timeout=_TIMEOUT_SECONDS)
            return self._connection

    async def _consume(
        self,
        channel: AbstractChannel,
        topics: Sequence[str],
        arrived: "asyncio.Queue[AbstractIncomingMessage | None]",
    ) -> None:
        def lost(*_: object) -> None:
            # Room for the news: the rest was lost with the channel anyway.
            while arrived.full():
                arrived.get_nowait()
            arrived.put_nowait(None)

        channel.close_callbacks.add(lost)
        await channel.set_qos(prefetch_count=_PREFETCH)
        exchange = await channel.declare_exchange(self._config.exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        for topic in topics:
            await queue.bind(exchange, topic)
        await queue.consume(arrived.put)

    async def _events(self, arrived: "asyncio.Queue[AbstractIncomingMessage | None]") -> AsyncIterator[SourceEvent]:
        while True:
            message = await arrived.get()
            if message is None:
                raise EventSourceError("The event source was lost.")
            try:
                await message.ack()
            except _ERRORS:
                raise EventSourceError("The event source was lost.") from None
            event = event_of(message.routing_key or "", message.body)
            if event is not None:
                yield event
