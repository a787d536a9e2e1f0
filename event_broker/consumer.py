"""A durable queue on RabbitMQ -> a handler's calls, acknowledged when they return."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
)
from pamqp.commands import Basic

from event_broker.broken_off import cancelled_only_if_asked
from event_broker.declare import declare_exchange, declare_queue
from event_broker.delivery import Deliveries
from event_broker.link import Link, LinkOptions, describe
from event_broker.metrics import DEAD_LETTERS
from event_broker.topology import DEAD_EXCHANGE, QueueSpec
from shared_schema import killpoints
from shared_schema.contracts.events import Event, why_no_event

log = logging.getLogger(__name__)

#: Headers of a dead letter: what the handler said at last, how often it was tried, when it was given up.
REASON_HEADER: Final = "x-botberi-reason"
ATTEMPTS_HEADER: Final = "x-botberi-attempts"
DIED_HEADER: Final = "x-botberi-died"


class AmqpConsumer:
    """Implements `bus.Consumer`."""

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
        self._dead: AbstractExchange | None = None
        self._tag = ""
        self._closing = False

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self._spec.name

    @property
    def ready(self) -> bool:
        """True if it is consuming at this moment."""
        return self._link.ready

    @property
    def closed(self) -> bool:
        """True once `aclose` was called."""
        return self._closing

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
        await declare_exchange(channel)
        queue = await declare_queue(channel, self._spec)
        self._source = queue
        self._dead = await channel.get_exchange(DEAD_EXCHANGE, ensure=False)
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
        tried = self._deliveries.attempts
        try:
            try:
                event = Event.from_json(message.body)
            except ValueError as error:
                refused: str | None = f"no event: {why_no_event(error)}"
                log.error("%s: a message is %s", self._spec.name, refused)
                tried = 0
            else:
                killpoints.reach("consumer.received")
                refused = await self._deliveries.deliver(event)
                killpoints.reach("consumer.handled")
            if refused is None:
                await message.ack()
                killpoints.reach("consumer.acknowledged")
            else:
                DEAD_LETTERS.labels(self._spec.name).inc()
                await self._bury(message, refused, tried)
        except (aio_pika.exceptions.AMQPError, OSError, RuntimeError) as error:
            # The channel went away under the handler; the broker delivers the message again.
            log.warning("%s: a message could not be settled: %s", self._spec.name, describe(error))

    async def _bury(self, message: AbstractIncomingMessage, reason: str, tried: int) -> None:
        """Put a message among the dead letters with the reason, for which the broker's dead-lettering has no place."""
        headers = {
            **{name: value for name, value in message.headers.items() if name != "x-delivery-count"},
            REASON_HEADER: reason,
            ATTEMPTS_HEADER: tried,
            DIED_HEADER: datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        letter = Message(
            message.body,
            headers=headers,
            delivery_mode=DeliveryMode.PERSISTENT,
            content_type=message.content_type,
            message_id=message.message_id,
            type=message.type,
            timestamp=message.timestamp,
        )
        try:
            if self._dead is None:
                raise RuntimeError("not connected")
            async with asyncio.timeout(self._options.operation_timeout):
                answer = await self._dead.publish(letter, routing_key=self._spec.dead_name, mandatory=True)
            if not isinstance(answer, Basic.Ack):
                raise RuntimeError("nothing takes it")
        except (aio_pika.exceptions.AMQPError, OSError, RuntimeError, TimeoutError) as error:
            # It goes the broker's way then, which keeps it until there is room.
            log.warning("%s: a dead letter goes without its reason: %s", self._spec.name, describe(error))
            await message.reject(requeue=False)
        else:
            await message.ack()
