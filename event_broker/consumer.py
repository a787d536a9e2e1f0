"""A durable queue on RabbitMQ -> a handler's calls, acknowledged when they return."""

import asyncio
import logging

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue

from event_broker.broken_off import cancelled_only_if_asked
from event_broker.declare import declare_exchange, declare_queue
from event_broker.delivery import Deliveries
from event_broker.link import Link, LinkOptions, describe
from event_broker.metrics import DEAD_LETTERS
from event_broker.topology import QueueSpec
from shared_schema import killpoints
from shared_schema.contracts.events import Event

log = logging.getLogger(__name__)


class AmqpConsumer:
    """See `bus.Consumer`."""

    def __init__(
        self,
        url: str,
        spec: QueueSpec,
        deliveries: Deliveries,
        options: LinkOptions,
        *,
        connection_name: str,
        prefetch: int,
        close_timeout: float,
    ) -> None:
        self._spec = spec
        self._deliveries = deliveries
        self._options = options
        self._prefetch = prefetch
        self._close_timeout = close_timeout
        self._link = Link(url, connection_name, options, self._set_up, self._probe)
        self._running: set[asyncio.Task[None]] = set()
        self._source: AbstractQueue | None = None
        self._tag = ""
        self._closing = False

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self._spec.name

    @property
    def ready(self) -> bool:
        """Whether it is consuming at this moment."""
        return self._link.ready

    async def start(self) -> None:
        """Return once the queue is bound and consumed; raises `BusUnavailable`."""
        await self._link.start()

    async def aclose(self) -> None:
        """Take no more, let running handlers end; the broker gives what is left to another consumer."""
        self._closing = True
        if self._source is not None and self._link.ready:
            try:
                async with asyncio.timeout(2.0):
                    with cancelled_only_if_asked():
                        await self._source.cancel(self._tag)
            except (TimeoutError, OSError, RuntimeError, aio_pika.exceptions.AMQPError) as error:
                log.info("%s: the consumer ends with its connection: %s", self._spec.name, describe(error))
        if self._running:
            await asyncio.wait(self._running, timeout=self._close_timeout)
        unfinished = set(self._running)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._link.aclose()

    async def _set_up(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=self._prefetch)
        exchange = await declare_exchange(channel)
        queue = await declare_queue(channel, exchange, self._spec)
        self._source = queue
        self._tag = await queue.consume(self._on_message)

    async def _probe(self, channel: AbstractChannel) -> None:
        if self._closing:
            return
        queue = await channel.declare_queue(self._spec.name, passive=True)
        if not queue.declaration_result.consumer_count:
            raise aio_pika.exceptions.AMQPError(f"queue {self._spec.name} has no consumer")

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        if self._closing:
            return
        task = asyncio.create_task(self._handle(message), name=f"handle-{self._spec.name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _handle(self, message: AbstractIncomingMessage) -> None:
        try:
            try:
                event = Event.from_json(message.body)
            except ValueError as error:
                log.error("%s: a message is no event: %s", self._spec.name, describe(error))
                handled = False
            else:
                killpoints.reach("consumer.received")
                handled = await self._deliveries.deliver(event)
                killpoints.reach("consumer.handled")
            if handled:
                await message.ack()
                killpoints.reach("consumer.acknowledged")
            else:
                DEAD_LETTERS.labels(self._spec.name).inc()
                await message.reject(requeue=False)
        except (aio_pika.exceptions.AMQPError, OSError, RuntimeError) as error:
            # The channel went away under the handler; the broker delivers the message again.
            log.warning("%s: a message could not be settled: %s", self._spec.name, describe(error))
