"""The bus -> every event on it, as an independent consumer gets it; and events published again, as duplicates."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from event_broker.declare import declare_exchange
from event_broker.topology import EXCHANGE
from lab.faults.evidence import Heard
from shared_schema.contracts.events import Event

_QUEUE: Final = "faults.audit"
_WINDOW: Final = 50


class Audit:
    """Keeps what it heard; its queue is declared before the first event."""

    def __init__(self, url: Callable[[], str]) -> None:
        self.heard: list[Heard] = []
        self._url = url
        self._recent: deque[tuple[str, bytes]] = deque(maxlen=_WINDOW)
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def start(self) -> None:
        """Declare the queue and listen."""
        self._task = asyncio.create_task(self._listen(), name="audit")
        async with asyncio.timeout(30):
            await self._ready.wait()

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def repeat(self, draw: random.Random) -> int:
        """Publish recent events again, out of order, one to five times each; how many."""
        again = [one for one in self._recent for _ in range(draw.randint(1, 5))]
        draw.shuffle(again)
        with contextlib.suppress(aio_pika.exceptions.AMQPError, OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(20), await aio_pika.connect(self._url(), timeout=5) as connection:
                channel = await connection.channel()
                exchange = await channel.get_exchange(EXCHANGE)
                for topic, body in again:
                    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                    await exchange.publish(message, routing_key=topic)
            return len(again)
        return 0

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(aio_pika.exceptions.AMQPError, OSError, RuntimeError, TimeoutError):
                async with await aio_pika.connect(self._url(), timeout=5, heartbeat=10) as connection:
                    await self._session(await connection.channel())
            await asyncio.sleep(0.5)

    async def _session(self, channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=200)
        exchange = await declare_exchange(channel)
        # Not a quorum queue: a node that is killed soon after the declaration of one loses it.
        queue = await channel.declare_queue(_QUEUE, durable=True)
        await queue.bind(exchange, "#")
        await queue.consume(self._hear)
        self._ready.set()
        await channel.closed()

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        event = Event.from_json(message.body)
        self.heard.append(Heard(event.id, event.subject, event.data.version))
        self._recent.append((event.type, message.body))
        with contextlib.suppress(aio_pika.exceptions.AMQPError, OSError, RuntimeError):
            await message.ack()
