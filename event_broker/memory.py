"""The bus within one process: the same doors and guarantees as RabbitMQ's, while the process lives."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from broadcaster import BroadcastBackend
from broadcaster import Event as Message

from event_broker.bus import BusError, Consumer, Handler, PublishError
from event_broker.delivery import Deliveries, RetryPolicy
from event_broker.fanout import Fanout
from event_broker.metrics import DEAD_LETTERS
from event_broker.topology import QUEUES, QueueSpec, matches, queue_spec
from shared_schema.contracts.events import Event

log = logging.getLogger(__name__)

_FANOUT_LIMIT: Final = 10_000


class MemoryBus:
    """Queues live as long as the bus: what was confirmed and not handled when the process dies is lost.

    The relay's rows are marked by then, so the workers' reaper, which asks the database for runs that
    no worker took, is what makes the embedded platform whole.
    """

    def __init__(
        self,
        *,
        retry: RetryPolicy | None = None,
        max_queue: int = 10_000,
        max_dead_letters: int = 1000,
        publish_timeout: float = 10.0,
        concurrency: int = 16,
        close_timeout: float = 10.0,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self._max_queue = max_queue
        self._max_dead = max_dead_letters
        self._publish_timeout = publish_timeout
        self._concurrency = concurrency
        self._close_timeout = close_timeout
        self._queues: dict[str, _Queue] = {}
        self._consumers: list[_MemoryConsumer] = []
        self._backend = _MemoryBackend()
        self._fanout = Fanout(self._backend)
        self._started = False

    @property
    def ready(self) -> bool:
        """True if it was started and not closed."""
        return self._started

    @property
    def blocked(self) -> bool:
        """There is no broker to run short of anything; a full queue makes `publish` wait, and fail."""
        return False

    async def start(self) -> None:
        """Make the queues of the topology."""
        if self._started:
            return
        for spec in QUEUES:
            self._declare(spec)
        await self._fanout.connect()
        self._started = True

    async def publish(self, event: Event) -> None:
        """Put the event into every queue that follows its topic; waits for room, not forever."""
        if not self._started:
            raise PublishError("the bus is not started")
        try:
            async with asyncio.timeout(self._publish_timeout):
                for queue in self._queues.values():
                    if any(matches(topic, event.type) for topic in queue.topics):
                        await queue.put(event)
                await self._fanout.publish(event.type, event.to_json().decode())
        except TimeoutError as error:
            raise PublishError(f"a queue for {event.type} stayed full for {self._publish_timeout:.0f} s") from error

    async def consume(self, queue: str, topics: Sequence[str], handler: Handler) -> Consumer:
        """Implements `bus.Bus.consume`."""
        if not self._started:
            raise BusError("the bus is not started")
        declared = self._declare(queue_spec(queue, topics))
        consumer = _MemoryConsumer(
            declared, Deliveries(queue, handler, self._retry), self._concurrency, self._close_timeout
        )
        self._consumers.append(consumer)
        return consumer

    def follow(
        self, topics: Sequence[str], *, max_queue: int = 1000
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Implements `bus.Bus.follow`."""
        return self._fanout.follow(topics, max_queue=max_queue)

    def dead_letters(self, queue: str) -> tuple[Event, ...]:
        """Return what a queue's consumers gave up, the newest last."""
        queue_state = self._queues.get(queue)
        return tuple(queue_state.dead) if queue_state else ()

    async def aclose(self) -> None:
        """Stop consumers and followers."""
        if not self._started:
            return
        self._started = False
        await asyncio.gather(*(consumer.aclose() for consumer in self._consumers))
        await self._fanout.disconnect()

    def _declare(self, spec: QueueSpec) -> "_Queue":
        queue = self._queues.setdefault(spec.name, _Queue(spec.name, self._max_queue, self._max_dead))
        queue.topics |= set(spec.topics)
        return queue


class _Queue:
    """Events that wait for a consumer, and those that were given up."""

    def __init__(self, name: str, limit: int, max_dead: int) -> None:
        self.name = name
        self.topics: set[str] = set()
        self.dead: deque[Event] = deque(maxlen=max_dead)
        self._limit = limit
        self._events: deque[Event] = deque()
        self._changed = asyncio.Condition()

    async def put(self, event: Event) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._events) < self._limit)
            self._events.append(event)
            self._changed.notify_all()

    async def get(self) -> Event:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._events))
            event = self._events.popleft()
            self._changed.notify_all()
            return event

    async def give_back(self, events: Sequence[Event]) -> None:
        """Put unhandled events where they came from; they had their room before."""
        async with self._changed:
            self._events.extendleft(reversed(events))
            self._changed.notify_all()


class _MemoryConsumer:
    """Takes events as long as fewer than `concurrency` are being handled."""

    def __init__(self, queue: _Queue, deliveries: Deliveries, concurrency: int, close_timeout: float) -> None:
        self._queue = queue
        self._deliveries = deliveries
        self._slots = asyncio.Semaphore(concurrency)
        self._close_timeout = close_timeout
        # In the order in which they were taken.
        self._running: dict[asyncio.Task[None], Event] = {}
        self._pump = asyncio.create_task(self._take(), name=f"consume-{queue.name}")

    @property
    def queue(self) -> str:
        return self._queue.name

    @property
    def ready(self) -> bool:
        return not self._pump.done()

    async def aclose(self) -> None:
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        if self._running:
            await asyncio.wait(self._running, timeout=self._close_timeout)
        unfinished = dict(self._running)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._queue.give_back([event for task, event in unfinished.items() if task.cancelled()])

    async def _take(self) -> None:
        while True:
            await self._slots.acquire()
            try:
                event = await self._queue.get()
            except BaseException:
                self._slots.release()
                raise
            task = asyncio.create_task(self._handle(event), name=f"handle-{self._queue.name}")
            self._running[task] = event
            task.add_done_callback(self._done)

    async def _handle(self, event: Event) -> None:
        if await self._deliveries.deliver(event) is not None:
            self._queue.dead.append(event)
            DEAD_LETTERS.labels(self._queue.name).inc()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._slots.release()


class _MemoryBackend(BroadcastBackend):
    """The fan-out's messages, without a broker; bounded, and a full one makes publishers wait."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue(_FANOUT_LIMIT)

    async def connect(self) -> None:
        """Nothing to connect to."""

    async def disconnect(self) -> None:
        """Nothing to disconnect from."""

    async def subscribe(self, group: str) -> None:
        """Every message passes here anyway."""

    async def unsubscribe(self, group: str) -> None:
        """Every message passes here anyway."""

    async def publish(self, channel: str, message: str) -> None:
        await self._messages.put(Message(channel, message))

    async def next_published(self) -> Message:
        return await self._messages.get()
