"""Clients that disconnect at the worst moments -> no other client notices: shared state is never cancelled."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import pytest
import sqlalchemy

from botberi.wiring.events import BusEventSource
from botberi_gateway.subscriptions.events import SourceEvent
from botberi_gateway.subscriptions.router import EventRouter
from event_broker.amqp import AmqpBus
from event_broker.bindings import MAX_PATTERNS, Bindings, bound
from event_broker.bus import BusError, BusUnavailable
from event_broker.fanout import Fanout
from event_broker.fanout_amqp import AmqpBackend
from event_broker.link import LinkOptions
from event_broker.metrics import LOST, RECONNECTS
from shared_schema.database import Database, PoolOptions
from shared_schema.ids import new_id
from subgraphs.common.context import Store
from subgraphs.common.keys import RefreshingKeys
from tests.support.assertions import Signer
from tests.support.events import eventually, make_event

SUBSCRIBERS = 1000
TOPICS = ("instance.created", "instance.updated", "instance.deleted", "agent.updated", "template.updated", "account.*")


class Heard:
    """A listener of the router that stays, and keeps the versions that it got."""

    def __init__(self) -> None:
        self.versions: list[object] = []
        self.interruptions = 0

    def heard(self, event: SourceEvent) -> None:
        self.versions.append(event.attributes["version"])

    def resumed(self) -> None:
        self.interruptions += 1

    def ended(self, error: object) -> None:
        self.interruptions += 1


class Deaf:
    """A listener of somebody who is about to leave."""

    def heard(self, event: SourceEvent) -> None: ...

    def resumed(self) -> None: ...

    def ended(self, error: object) -> None: ...


def counted(role: str) -> float:
    return float(RECONNECTS.labels(role)._value.get())


@pytest.mark.rabbitmq
async def test_a_thousand_subscribers_that_drop_at_random_moments_interrupt_no_other(amqp_url: str) -> None:
    """One of them used to close the channel on which all others of the process wait."""
    rng = random.Random(14)
    bus = AmqpBus(amqp_url, name="dropping", options=LinkOptions(operation_timeout=10.0, probe_interval=0.5))
    # As fast as it can be: every drop of a pattern's last follower unbinds at once.
    bus._fanout = Fanout(bus._backend, linger=0.0)
    await bus.start()
    router = EventRouter(BusEventSource(bus))
    before, lost = counted("dropping-follower"), LOST._value.get()
    stayed = Heard()
    await router.join(frozenset({"instance.updated"}), {}, stayed)

    async def subscriber() -> None:
        topics = frozenset(rng.sample(TOPICS, rng.randint(1, 3)))
        place = await router.join(topics, {}, Deaf())
        try:
            await asyncio.sleep(3600)
        finally:
            await place.leave()

    async def drop() -> None:
        task = asyncio.create_task(subscriber())
        await asyncio.sleep(rng.choice((0.0, 0.0, rng.random() * 0.002, rng.random() * 0.05)))
        task.cancel()
        # Some connections break once more while their request already ends.
        if rng.random() < 0.3:
            await asyncio.sleep(0)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def publish(versions: range) -> None:
        subject = new_id()
        for version in versions:
            await bus.publish(make_event(subject=subject, version=version))

    publishing = asyncio.create_task(publish(range(1, 201)))
    for _ in range(SUBSCRIBERS // 50):
        await asyncio.gather(*(drop() for _ in range(50)))
    await publishing
    await eventually(lambda: stayed.versions == list(range(1, 201)), within=30, what="the one who stayed hearing all")
    assert stayed.interruptions == 0
    assert counted("dropping-follower") == before
    assert LOST._value.get() == lost
    assert bus.ready
    await bus.aclose()


@pytest.mark.rabbitmq
async def test_a_follower_that_is_cancelled_while_it_is_bound_closes_no_channel(amqp_url: str) -> None:
    backend = AmqpBackend(amqp_url, "cancelled", LinkOptions(operation_timeout=10.0))
    fanout = Fanout(backend, linger=0.0)
    await fanout.connect()
    before = counted("cancelled-follower")
    for number in range(100):
        task = asyncio.create_task(fanout.follow([f"instance.test{number}"]).__aenter__())
        for _ in range(number % 12):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            follower = await task
            await follower.aclose()  # type: ignore[attr-defined]
    async with fanout.follow(["instance.updated"]):
        assert backend.ready
    await eventually(lambda: not fanout._bindings._patterns, what="everything unbound")
    assert counted("cancelled-follower") == before
    await fanout.disconnect()


class SlowBackend:
    """A backend whose every call takes a moment, and which says what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.bound: set[str] = set()
        self.fails = False
        self.cancelled = 0

    async def subscribe(self, group: str) -> None:
        await self._call(f"+{group}")
        self.bound.add(group)

    async def unsubscribe(self, group: str) -> None:
        await self._call(f"-{group}")
        self.bound.discard(group)

    async def _call(self, call: str) -> None:
        self.calls.append(call)
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise BusUnavailable("away")


@contextlib.asynccontextmanager
async def bindings_of(backend: SlowBackend, linger: float) -> AsyncIterator[Bindings]:
    bindings = Bindings(backend, linger=linger)  # type: ignore[arg-type]
    bindings.start()
    yield bindings
    await bindings.aclose()


async def test_followers_that_come_and_go_cost_one_binding() -> None:
    backend = SlowBackend()
    async with bindings_of(backend, linger=0.2) as bindings:
        for _ in range(50):
            await bound(bindings.want("a.b"))
            bindings.release("a.b")
        assert backend.calls == ["+a.b"]
        await eventually(lambda: backend.calls == ["+a.b", "-a.b"], what="the pattern unbound after a while")


async def test_whatever_followers_do_what_is_wanted_ends_up_bound_and_the_rest_not() -> None:
    rng = random.Random(7)
    backend = SlowBackend()
    async with bindings_of(backend, linger=0.0) as bindings:
        held: list[str] = []

        async def follower(name: str) -> None:
            future = bindings.want(name)
            try:
                await bound(future)
            except (asyncio.CancelledError, BusError):
                bindings.release(name)
                raise
            held.append(name)

        for _ in range(400):
            backend.fails = rng.random() < 0.1
            task = asyncio.create_task(follower(f"p.{rng.randrange(5)}"))
            await asyncio.sleep(rng.random() * 0.003)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            while held and rng.random() < 0.5:
                bindings.release(held.pop(rng.randrange(len(held))))
        backend.fails = False
        await eventually(lambda: backend.bound == set(held), what="exactly what is followed being bound")
        assert backend.cancelled == 0


async def test_the_limit_of_patterns_counts_those_that_are_followed() -> None:
    backend = SlowBackend()
    async with bindings_of(backend, linger=60.0) as bindings:
        futures = [bindings.want(f"p.{number}") for number in range(MAX_PATTERNS)]
        with pytest.raises(BusError, match="topic patterns already"):
            bindings.want("one.more")
        await asyncio.gather(*map(bound, futures))
        bindings.release("p.0")
        await bound(bindings.want("one.more"))
        # Those that only linger make room.
        await eventually(lambda: "p.0" not in backend.bound, what="the idle pattern unbound")


async def test_a_request_that_ends_while_keys_are_fetched_leaves_no_other_without_them() -> None:
    """The fetch was the first asker's own: cancelled with it, and not tried again for a second."""
    signer = Signer("one")
    release = asyncio.Event()
    fetches = 0

    async def fetch() -> dict[str, object]:
        nonlocal fetches
        fetches += 1
        await release.wait()
        return dict(signer.jwks())

    keys = RefreshingKeys(fetch, maximum_age=60, name="test")
    first, second = (asyncio.create_task(keys.key("one")) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    release.set()
    assert await asyncio.wait_for(second, 5) is not None
    assert fetches == 1


def queries(store: Store) -> Callable[[], object]:
    async def reading() -> None:
        async with store.read() as session:
            await session.execute(sqlalchemy.text("SELECT pg_sleep(0.005)"))

    async def writing() -> None:
        async with store.unit_of_work() as session:
            await session.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(14)"))
            await session.execute(sqlalchemy.text("SELECT pg_sleep(0.003)"))

    rng = random.Random(3)
    return lambda: rng.choice((reading, writing))()


async def test_requests_that_end_at_random_moments_leave_the_database_pool_whole(shared_database_url: str) -> None:
    rng = random.Random(5)
    database = Database(shared_database_url, PoolOptions(pool_size=3, max_overflow=0))
    store = Store(database)
    start = queries(store)

    async def drop() -> None:
        task = asyncio.ensure_future(start())  # type: ignore[call-overload]
        await asyncio.sleep(rng.random() * 0.02)
        task.cancel()
        if rng.random() < 0.3:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for _ in range(20):
        await asyncio.gather(*(drop() for _ in range(15)))
    # Every connection can be had, works, and holds no transaction or lock of a request that is gone.
    async with asyncio.timeout(10):
        await asyncio.gather(*(start() for _ in range(9)))  # type: ignore[call-overload]
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    await database.aclose()
