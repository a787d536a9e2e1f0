"""The topology as data -> the same on a broker; declaring again changes nothing."""

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

from event_broker.topology import (
    DEAD_EXCHANGE,
    DEAD_LIMIT,
    EXCHANGE,
    QUEUES,
    UNROUTED_EXCHANGE,
    UNROUTED_LIMIT,
    UNROUTED_QUEUE,
    QueueSpec,
)


async def declare_exchange(channel: AbstractChannel) -> AbstractExchange:
    """Declare the exchange, and what catches events that no queue asks for."""
    unrouted = await channel.declare_exchange(UNROUTED_EXCHANGE, ExchangeType.FANOUT, durable=True)
    caught = await channel.declare_queue(
        UNROUTED_QUEUE, durable=True, arguments={"x-max-length": UNROUTED_LIMIT, "x-overflow": "drop-head"}
    )
    await caught.bind(unrouted)
    return await channel.declare_exchange(
        EXCHANGE, ExchangeType.TOPIC, durable=True, arguments={"alternate-exchange": UNROUTED_EXCHANGE}
    )


async def declare_queue(channel: AbstractChannel, exchange: AbstractExchange, spec: QueueSpec) -> AbstractQueue:
    """Declare a durable queue with its dead letters, bound to its topics."""
    dead_exchange = await channel.declare_exchange(DEAD_EXCHANGE, ExchangeType.DIRECT, durable=True)
    dead = await channel.declare_queue(
        spec.dead_name, durable=True, arguments={"x-queue-type": "quorum", "x-max-length": DEAD_LIMIT}
    )
    await dead.bind(dead_exchange, spec.dead_name)
    queue = await channel.declare_queue(spec.name, durable=True, arguments=spec.arguments())
    for topic in spec.topics:
        await queue.bind(exchange, topic)
    return queue


async def declare_all(channel: AbstractChannel) -> AbstractExchange:
    """Declare everything that the topology names."""
    exchange = await declare_exchange(channel)
    for spec in QUEUES:
        await declare_queue(channel, exchange, spec)
    return exchange
