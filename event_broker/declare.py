"""The topology as data -> the same on a broker; declaring again changes nothing."""

from typing import Final

import aio_pika
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

from event_broker.bus import TopologyMismatch
from event_broker.topology import EXCHANGES, QUEUES, UNROUTED_QUEUE, Declared, QueueSpec, declared

_REMEDY: Final = {
    "queue": (
        "Stop its consumers, empty it (a queue of dead letters with `botberi events dead-letters redrive`), delete it "
        "with `rabbitmqctl delete_queue {name}` and start again: it is declared again. What is published meanwhile "
        "comes back with `botberi events replay --since ...`."
    ),
    "exchange": (
        "Stop all parts, delete it (`rabbitmqadmin delete exchange name={name}`) and start again: it is declared again "
        "with its bindings. The outbox keeps what happens meanwhile."
    ),
}


async def declare_exchange(channel: AbstractChannel) -> AbstractExchange:
    """Declare the exchanges and what catches events that no queue asks for; return the events' exchange.

    Raises `TopologyMismatch` when the broker has one of them with other arguments.
    """
    exchange: AbstractExchange | None = None
    for spec in EXCHANGES:
        try:
            exchange = await channel.declare_exchange(
                spec.name, ExchangeType(spec.kind), durable=True, arguments=spec.arguments()
            )
        except aio_pika.exceptions.ChannelPreconditionFailed as error:
            raise _mismatch("exchange", spec.name, error) from error
    assert exchange is not None
    await _declare(channel, UNROUTED_QUEUE)
    return exchange


async def declare_queue(channel: AbstractChannel, spec: QueueSpec) -> AbstractQueue:
    """Declare a consumer's queue and its dead letters', bound to its topics. Raises `TopologyMismatch`."""
    dead, own = declared(spec)
    await _declare(channel, dead)
    return await _declare(channel, own)


async def declare_all(channel: AbstractChannel) -> AbstractExchange:
    """Declare everything that the topology names. Raises `TopologyMismatch`."""
    exchange = await declare_exchange(channel)
    for spec in QUEUES:
        await declare_queue(channel, spec)
    return exchange


async def _declare(channel: AbstractChannel, spec: Declared) -> AbstractQueue:
    try:
        queue = await channel.declare_queue(spec.name, durable=True, arguments=dict(spec.arguments))
    except aio_pika.exceptions.ChannelPreconditionFailed as error:
        raise _mismatch("queue", spec.name, error) from error
    for exchange, key in spec.bindings:
        await queue.bind(exchange, key)
    return queue


def _mismatch(kind: str, name: str, error: Exception) -> TopologyMismatch:
    said = str(error).partition("PRECONDITION_FAILED - ")[2] or str(error)
    return TopologyMismatch(
        f"RabbitMQ has the {kind} {name} already, with other arguments than this version declares ({said}). "
        + _REMEDY[kind].format(name=name)
    )
