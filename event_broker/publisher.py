"""Events -> RabbitMQ: persistent, mandatory, and back only when the broker confirmed."""

import asyncio
import logging

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from pamqp.commands import Basic

from event_broker.broken_off import cancelled_only_if_asked
from event_broker.bus import BusBlocked, BusUnavailable, EventRefused, PublishError
from event_broker.declare import declare_all
from event_broker.link import Link, LinkOptions, describe
from event_broker.topology import EXCHANGE
from shared_schema import killpoints
from shared_schema.contracts.events import CONTENT_TYPE, Event

log = logging.getLogger(__name__)


class AmqpPublisher:
    """Publishes on one channel, many events at a time."""

    def __init__(self, url: str, name: str, options: LinkOptions, *, max_in_flight: int = 200) -> None:
        self._options = options
        self._link = Link(url, name, options, self._set_up, self._probe)
        self._exchange: AbstractExchange | None = None
        self._in_flight = asyncio.Semaphore(max_in_flight)

    @property
    def ready(self) -> bool:
        """True if a channel is open."""
        return self._link.ready

    @property
    def blocked(self) -> bool:
        """True if the broker takes no messages at the moment."""
        return self._link.blocked

    async def start(self) -> None:
        """Connect and declare the topology; raises `BusUnavailable`."""
        await self._link.start()

    async def publish(self, event: Event) -> None:
        """Return once the broker has written the event down; raises `PublishError`."""
        message = Message(
            event.to_json(),
            delivery_mode=DeliveryMode.PERSISTENT,
            content_type=CONTENT_TYPE,
            message_id=str(event.id),
            type=event.type,
            timestamp=event.time,
        )
        try:
            # A broker without memory or disk to spare withholds confirms; then this waits here. What comes after it has
            # said so is not even sent: it would only be read, and come twice, once there is room.
            async with asyncio.timeout(self._options.operation_timeout), self._in_flight:
                await self._link.wait_ready(self._options.operation_timeout)
                await self._link.wait_flowing()
                if self._exchange is None:
                    raise PublishError("the channel is closed")
                killpoints.reach("publisher.sending")
                with cancelled_only_if_asked():
                    answer = await self._exchange.publish(message, routing_key=event.routing_key, mandatory=True)
        except TimeoutError as error:
            if self.blocked:
                raise BusBlocked(f"{event.type} waits: RabbitMQ is short of memory or disk") from error
            raise PublishError(f"{event.type} was not confirmed in {self._options.operation_timeout:.0f} s") from error
        except BusUnavailable as error:
            raise PublishError(str(error)) from error
        except aio_pika.exceptions.DeliveryError as error:
            raise EventRefused(f"{event.type} was not confirmed: {describe(error)}") from error
        except (aio_pika.exceptions.AMQPError, OSError, RuntimeError) as error:
            # A channel that closes under a publish is a RuntimeError in aiormq.
            raise PublishError(f"{event.type} was not confirmed: {describe(error)}") from error
        killpoints.reach("publisher.confirmed")
        if not isinstance(answer, Basic.Ack):
            # Returned: even the queue of the unrouted is gone.
            raise EventRefused(f"the broker returned {event.type}: nothing takes it")

    async def aclose(self) -> None:
        """Disconnect."""
        await self._link.aclose()

    async def _set_up(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        self._exchange = await declare_all(channel)

    async def _probe(self, channel: AbstractChannel) -> None:
        await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, passive=True)
