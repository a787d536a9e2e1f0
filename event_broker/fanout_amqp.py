"""broadcaster's backend interface on RabbitMQ: one queue per process, bound to what is followed.

The queue is the process's own (its name is random and only one consumer may take it), but it outlives
the connection for a while: a dropped connection costs its followers nothing but time. When the queue
was gone, `next_published` says so with `Gap`.
"""

import asyncio
import logging
from typing import Final
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage, AbstractQueue
from broadcaster import BroadcastBackend
from broadcaster import Event as Message

from event_broker.broken_off import cancelled_only_if_asked
from event_broker.bus import BusUnavailable
from event_broker.declare import declare_exchange
from event_broker.fanout import Gap
from event_broker.link import Link, LinkOptions, describe
from event_broker.topology import FANOUT_EXPIRES_SECONDS, FANOUT_LIMIT
from shared_schema import killpoints
from shared_schema.contracts.events import MAX_BYTES

log = logging.getLogger(__name__)

_PREFETCH: Final = 500


class AmqpBackend(BroadcastBackend):
    """Binds topic patterns and yields what comes on them."""

    def __init__(self, url: str, name: str, options: LinkOptions) -> None:
        self._options = options
        self._name = f"event_bus.follow.{name}.{uuid4().hex}"
        self._link = Link(url, f"{name}-follower", options, self._set_up, self._probe)
        self._patterns: set[str] = set()
        # What the broker sends ahead of its acknowledgements fits in here.
        self._incoming: asyncio.Queue[Message | Gap] = asyncio.Queue(_PREFETCH * 2)
        self._exchange: AbstractExchange | None = None
        self._queue: AbstractQueue | None = None
        self._tag = ""
        self._declared_before = False
        self._watching: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """True if the queue is consumed at this moment."""
        return self._link.ready

    async def connect(self) -> None:
        """Connect and make the queue; raises `BusUnavailable`."""
        await self._link.start()
        self._watching = asyncio.create_task(self._watch(), name=f"{self._name}-silence")

    async def disconnect(self) -> None:
        """Delete the queue, if the broker is there to do it, and disconnect."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        queue = self._queue
        if queue is not None and self._link.ready:
            try:
                async with asyncio.timeout(2.0):
                    await queue.cancel(self._tag)
                    await queue.delete(if_unused=False, if_empty=False)
            except Exception as error:
                log.info("the follower's queue is left to expire: %s", describe(error))
        await self._link.aclose()

    async def subscribe(self, group: str) -> None:
        """Bind a pattern; raises `BusUnavailable`."""
        await self._link.wait_ready(self._options.operation_timeout)
        # First noted, then bound: a connection lost between the two is bound with the rest.
        self._patterns.add(group)
        try:
            await self._bind(group)
        except BaseException:
            self._patterns.discard(group)
            raise

    async def unsubscribe(self, group: str) -> None:
        """Unbind a pattern; raises `BusUnavailable`."""
        self._patterns.discard(group)
        await self._link.wait_ready(0.1)
        try:
            async with asyncio.timeout(self._options.operation_timeout):
                if self._queue is not None and self._exchange is not None:
                    with cancelled_only_if_asked():
                        await self._queue.unbind(self._exchange, group)
        except (TimeoutError, OSError, RuntimeError, aio_pika.exceptions.AMQPError) as error:
            raise BusUnavailable(describe(error)) from error

    async def publish(self, channel: str, message: str) -> None:
        """Events are published by `AmqpPublisher`, with confirms."""
        raise NotImplementedError("publish through the bus")

    async def next_published(self) -> Message:
        """Return the next message; raises `Gap` where some were missed."""
        item = await self._incoming.get()
        if isinstance(item, Gap):
            raise item
        return item

    async def _bind(self, pattern: str) -> None:
        try:
            async with asyncio.timeout(self._options.operation_timeout):
                if self._queue is None or self._exchange is None:
                    raise BusUnavailable("the follower is not connected")
                with cancelled_only_if_asked():
                    await self._queue.bind(self._exchange, pattern)
        except (TimeoutError, OSError, RuntimeError, aio_pika.exceptions.AMQPError) as error:
            raise BusUnavailable(f"cannot bind {pattern}: {describe(error)}") from error

    async def _watch(self) -> None:
        """Report a connection that stays away, once each time: events of meanwhile come late or never."""
        away_since: float | None = None
        reported = False
        while True:
            await asyncio.sleep(min(0.5, self._options.silence / 4))
            now = asyncio.get_running_loop().time()
            if self._link.ready:
                away_since, reported = None, False
                continue
            away_since = now if away_since is None else away_since
            if not reported and now - away_since >= self._options.silence and self._patterns:
                reported = True
                await self._incoming.put(Gap(f"RabbitMQ has been away for {self._options.silence:.0f} s"))

    async def _set_up(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=_PREFETCH)
        exchange = await declare_exchange(channel)
        survived = self._declared_before and await self._still_there(connection)
        queue = await channel.declare_queue(
            self._name,
            durable=True,
            arguments={
                "x-expires": FANOUT_EXPIRES_SECONDS * 1000,
                "x-max-length": FANOUT_LIMIT,
                "x-overflow": "drop-head",
            },
        )
        for pattern in sorted(self._patterns):
            await queue.bind(exchange, pattern)
        self._exchange, self._queue = exchange, queue
        if self._declared_before and not survived and self._patterns:
            await self._incoming.put(Gap("the broker lost the follower's queue"))
        await self._tell_of_overflow(queue)
        self._declared_before = True
        # A connection that died without a word still holds the queue until its heartbeat fails; then
        # this is refused, and tried again.
        self._tag = await queue.consume(self._on_message, exclusive=True)

    async def _still_there(self, connection: AbstractConnection) -> bool:
        # Asking for a queue that is gone closes the channel, so it is asked on another.
        asking = await connection.channel()
        try:
            await asking.declare_queue(self._name, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return False
        else:
            await asking.close()
            return True

    async def _probe(self, channel: AbstractChannel) -> None:
        queue = await channel.declare_queue(self._name, passive=True)
        if not queue.declaration_result.consumer_count:
            raise BusUnavailable("the follower's queue has no consumer")
        await self._tell_of_overflow(queue)

    async def _tell_of_overflow(self, queue: AbstractQueue) -> None:
        # A full queue drops its oldest messages without a word.
        if (queue.declaration_result.message_count or 0) >= FANOUT_LIMIT and self._patterns:
            await self._incoming.put(Gap(f"more than {FANOUT_LIMIT} events waited for this process"))

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        killpoints.reach("fanout.received")
        if message.body_size is None or message.body_size <= MAX_BYTES:
            await self._incoming.put(Message(message.routing_key or "", message.body.decode(errors="replace")))
        killpoints.reach("fanout.delivered")
        try:
            await message.ack()
        except (aio_pika.exceptions.AMQPError, OSError, RuntimeError) as error:
            # It comes again after the reconnect; followers know it by its version.
            log.info("a followed message could not be acknowledged: %s", describe(error))
