"""A RabbitMQ URL, or none -> the bus on it, or the one within the process."""

from event_broker.amqp import AmqpBus
from event_broker.bus import Bus
from event_broker.memory import MemoryBus


def make_bus(amqp_url: str | None, name: str = "botberi") -> Bus:
    """Return a bus that is not started yet; `name` is how its connections are called at the broker."""
    return AmqpBus(amqp_url, name=name) if amqp_url else MemoryBus()
