"""The bus on RabbitMQ: a publisher, a consumer per queue and one fan-out per process, each supervised."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

from event_broker.bus import BusError, Consumer, Handler
from event_broker.consumer import AmqpConsumer
from event_broker.delivery import Deliveries, RetryPolicy
from event_broker.fanout import Fanout
from event_broker.fanout_amqp import AmqpBackend
from event_broker.link import LinkOptions
from event_broker.publisher import AmqpPublisher
from event_broker.topology import queue_spec
from shared_schema.contracts.events import Event


class AmqpBus:
    """The bus on RabbitMQ, see `bus.Bus`.

    Each role has a connection of its own: a broker that blocks publishers must not hold up acknowledgements.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "botberi",
        retry: RetryPolicy | None = None,
        options: LinkOptions | None = None,
        prefetch: int = 16,
        close_timeout: float = 10.0,
    ) -> None:
        self._url = url
        self._name = name
        self._retry = retry or RetryPolicy()
        self._options = options or LinkOptions()
        self._prefetch = prefetch
        self._close_timeout = close_timeout
        self._publisher = AmqpPublisher(url, f"{name}-publisher", self._options)
        self._backend = AmqpBackend(url, name, self._options)
        self._fanout = Fanout(self._backend)
        self._consumers: list[AmqpConsumer] = []
        self._started = False

    @property
    def ready(self) -> bool:
        """True if the publisher is connected, the followers' queue is heard and every consumer is consuming."""
        parts = [self._publisher.ready, self._backend.ready]
        parts += [consumer.ready for consumer in self._consumers if not consumer.closed]
        return self._started and not self.blocked and all(parts)

    @property
    def blocked(self) -> bool:
        """True if RabbitMQ has an alarm and takes no messages; it informs only those that publish."""
        return self._publisher.blocked

    async def start(self) -> None:
        """Connect and declare the topology; raises `BusUnavailable`."""
        if self._started:
            return
        await self._publisher.start()
        try:
            await self._fanout.connect()
        except BaseException:
            await self._publisher.aclose()
            raise
        self._started = True

    async def publish(self, event: Event) -> None:
        """Implements `bus.Bus.publish`."""
        await self._publisher.publish(event)

    async def consume(self, queue: str, topics: Sequence[str], handler: Handler) -> Consumer:
        """Implements `bus.Bus.consume`; returns once the queue is bound and consumed."""
        if not self._started:
            raise BusError("the bus is not started")
        consumer = AmqpConsumer(
            self._url,
            queue_spec(queue, topics),
            Deliveries(queue, handler, self._retry),
            self._options,
            connection_name=f"{self._name}-{queue}",
            prefetch=self._prefetch,
            close_timeout=self._close_timeout,
        )
        await consumer.start()
        self._consumers = [*(each for each in self._consumers if not each.closed), consumer]
        return consumer

    def follow(
        self, topics: Sequence[str], *, max_queue: int = 1000
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Implements `bus.Bus.follow`."""
        return self._fanout.follow(topics, max_queue=max_queue)

    async def aclose(self) -> None:
        """Stop consumers and followers, and disconnect."""
        if not self._started:
            return
        self._started = False
        for consumer in self._consumers:
            await consumer.aclose()
        await self._fanout.disconnect()
        await self._publisher.aclose()
