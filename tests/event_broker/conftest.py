"""One suite, every implementation: `bus` is each of them in turn."""

from collections.abc import AsyncIterator

import pytest

from event_broker.amqp import AmqpBus
from event_broker.bus import Bus
from event_broker.delivery import RetryPolicy
from event_broker.link import LinkOptions
from event_broker.memory import MemoryBus

QUICK = RetryPolicy(attempts=3, first_delay=0.01, factor=2.0, handler_timeout=2.0)
OPTIONS = LinkOptions(operation_timeout=5.0, heartbeat=4, probe_interval=0.5, max_backoff=0.5)


@pytest.fixture(params=["memory", pytest.param("amqp", marks=pytest.mark.rabbitmq)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    """A started bus."""
    made: MemoryBus | AmqpBus
    if request.param == "memory":
        made = MemoryBus(retry=QUICK, publish_timeout=1.0, close_timeout=1.0)
    else:
        made = AmqpBus(
            request.getfixturevalue("amqp_url"), name="test", retry=QUICK, options=OPTIONS, close_timeout=1.0
        )
    await made.start()
    yield made
    await made.aclose()
