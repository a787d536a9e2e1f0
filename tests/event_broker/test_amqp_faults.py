"""RabbitMQ breaks in every way we know; nothing confirmed is lost, no task waits forever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
import pytest
from yarl import URL

from event_broker.amqp import AmqpBus
from event_broker.bus import BusUnavailable, FollowLost, PublishError, TopologyMismatch
from event_broker.link import LinkOptions
from event_broker.topology import EXCHANGE, UNROUTED
from lab.faults.proxy import TcpProxy
from lab.faults.rabbitmq import RabbitNode, installed
from shared_schema.contracts.events import Event
from shared_schema.ids import new_id
from tests.event_broker.conftest import OPTIONS, QUICK
from tests.support.events import eventually, make_event

pytestmark = pytest.mark.rabbitmq


def queue_name() -> str:
    return f"test-{uuid4().hex}"


@asynccontextmanager
async def started(url: str, options: LinkOptions = OPTIONS) -> AsyncIterator[AmqpBus]:
    bus = AmqpBus(url, name="test", retry=QUICK, options=options, close_timeout=1.0)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.aclose()


@asynccontextmanager
async def through_proxy(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    parsed = URL(url)
    async with TcpProxy(parsed.port or 5672, parsed.host or "127.0.0.1") as proxy:
        yield proxy, str(parsed.with_host("127.0.0.1").with_port(proxy.port))


class Collected:
    """A handler that keeps what it got."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def ids(self) -> set[object]:
        return {event.id for event in self.events}


async def publish_surely(bus: AmqpBus, event: Event) -> None:
    """As the relay does: again until it is confirmed."""
    while True:
        try:
            await bus.publish(event)
        except PublishError:
            await asyncio.sleep(0.1)
        else:
            return


async def test_a_broker_that_is_not_there_is_said_in_time_and_without_the_password() -> None:
    options = LinkOptions(connect_timeout=0.5, start_timeout=1.0)
    bus = AmqpBus("amqp://user:hunter2@127.0.0.1:1/", options=options)
    with pytest.raises(BusUnavailable) as caught:
        await asyncio.wait_for(bus.start(), 5)
    assert "hunter2" not in str(caught.value)
    assert not bus.ready


async def test_a_queue_with_other_arguments_is_said_at_once_and_what_to_do(amqp_url: str) -> None:
    queue = queue_name()
    async with started(amqp_url) as bus, await aio_pika.connect(amqp_url) as connection:
        foreign = await (await connection.channel()).declare_queue(queue, durable=True)
        with pytest.raises(TopologyMismatch) as caught:
            await asyncio.wait_for(bus.consume(queue, ["instance.updated"], Collected()), 10)
        assert f"the queue {queue} already, with other arguments" in str(caught.value)
        assert "x-" in str(caught.value)
        assert f"rabbitmqctl delete_queue {queue}" in str(caught.value)
        # What the text says helps.
        await foreign.delete()
        assert (await bus.consume(queue, ["instance.updated"], Collected())).ready


async def test_connections_that_are_reset_cost_time_only(amqp_url: str) -> None:
    got = Collected()
    async with through_proxy(amqp_url) as (proxy, url), started(url) as bus:
        await bus.consume(queue_name(), ["instance.updated"], got)
        async with bus.follow(["instance.updated"]) as events:
            followed: list[Event] = []

            async def follow() -> None:
                async for event in events:
                    followed.append(event)

            following = asyncio.create_task(follow())
            subject = new_id()
            sent = [make_event(subject=subject, version=version) for version in range(1, 61)]
            for number, event in enumerate(sent):
                if number % 20 == 10:
                    proxy.cut()
                await publish_surely(bus, event)
            wanted = {event.id for event in sent}
            await eventually(lambda: got.ids == wanted, within=20, what="the consumer having everything")
            await eventually(
                lambda: {event.id for event in followed} == wanted, within=20, what="the follower having everything"
            )
            assert not following.done()
            following.cancel()
        await eventually(lambda: bus.ready)


async def test_a_black_hole_is_noticed_and_left(amqp_url: str) -> None:
    got = Collected()
    options = LinkOptions(operation_timeout=1.0, heartbeat=2, probe_interval=0.3, connect_timeout=1.0, max_backoff=0.3)
    async with through_proxy(amqp_url) as (proxy, url), started(url, options) as bus:
        await bus.consume(queue_name(), ["instance.updated"], got)
        proxy.freeze()
        with pytest.raises(PublishError):
            await asyncio.wait_for(bus.publish(make_event()), 3)
        await eventually(lambda: not bus.ready, within=5)
        proxy.heal()
        event = make_event()
        await asyncio.wait_for(publish_surely(bus, event), 15)
        await eventually(lambda: event in got.events, within=15)
        await eventually(lambda: bus.ready, within=15)


async def test_a_queue_that_was_deleted_is_made_again(amqp_url: str) -> None:
    got = Collected()
    queue = queue_name()
    async with started(amqp_url) as bus:
        consumer = await bus.consume(queue, ["instance.updated"], got)
        async with await aio_pika.connect(amqp_url) as connection:
            await (await connection.channel()).queue_delete(queue)
        await eventually(lambda: not consumer.ready)
        await eventually(lambda: consumer.ready)
        event = make_event()
        await bus.publish(event)
        await eventually(lambda: got.events == [event])


async def test_a_follower_whose_queue_was_lost_gets_an_error(amqp_url: str) -> None:
    async with started(amqp_url) as bus:
        async with bus.follow(["instance.updated"]) as events:
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            async with await aio_pika.connect(amqp_url) as connection:
                await (await connection.channel()).queue_delete(bus._fanout._backend._name)  # type: ignore[attr-defined]
            with pytest.raises(FollowLost):
                await asyncio.wait_for(waiting, 10)
        async with bus.follow(["instance.updated"]) as again:
            event = make_event()
            await bus.publish(event)
            assert await asyncio.wait_for(anext(again), 5) == event


async def test_a_message_that_is_no_event_goes_to_the_dead_letters(amqp_url: str) -> None:
    got = Collected()
    queue = queue_name()
    async with (
        started(amqp_url) as bus,
        bus.follow(["instance.updated"]) as events,
        await aio_pika.connect(amqp_url) as connection,
    ):
        await bus.consume(queue, ["instance.updated"], got)
        channel = await connection.channel()
        exchange = await channel.get_exchange(EXCHANGE)
        await exchange.publish(aio_pika.Message(b"\xff not json"), "instance.updated")
        event = make_event()
        await bus.publish(event)
        await eventually(lambda: got.events == [event])
        assert await asyncio.wait_for(anext(events), 5) == event
        dead = await channel.get_queue(f"{queue}.dead")
        async with asyncio.timeout(10), dead.iterator() as messages:
            async for message in messages:
                assert message.body == b"\xff not json"
                await message.ack()
                break


async def test_a_message_that_kills_its_consumers_is_not_delivered_for_ever(amqp_url: str) -> None:
    """A consumer that dies within the handler never acknowledges nor rejects: the broker counts."""
    queue = queue_name()
    poison = make_event()
    async with started(amqp_url) as bus, await aio_pika.connect(amqp_url) as connection:
        await (await bus.consume(queue, ["instance.updated"], Collected())).aclose()
        await bus.publish(poison)
        for _ in range(6):
            crashing = await aio_pika.connect(amqp_url)
            delivered = await (await (await crashing.channel()).get_queue(queue)).get(timeout=5, fail=False)
            assert delivered is not None
            await crashing.close()
        channel = await connection.channel()
        dead = await channel.get_queue(f"{queue}.dead")
        message = None
        async with asyncio.timeout(10):
            while message is None:
                message = await dead.get(timeout=5, fail=False)
        await message.ack()
        assert Event.from_json(message.body) == poison


async def test_events_without_a_queue_are_kept_aside(amqp_url: str) -> None:
    event = make_event(f"unrouted.{'x' * 20}")
    async with started(amqp_url) as bus, await aio_pika.connect(amqp_url) as connection:
        unrouted = await (await connection.channel()).get_queue(UNROUTED)
        await unrouted.purge()
        await bus.publish(event)
        message = await unrouted.get(timeout=5)
        await message.ack()
        assert Event.from_json(message.body) == event
        assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT


async def test_what_cannot_be_routed_or_is_refused_is_not_published(amqp_url: str) -> None:
    """The relay keeps such a row and tries again; a returned message is confirmed by the broker, and yet is nowhere."""
    unroutable, refused = make_event(f"unrouted.{'y' * 20}"), make_event(f"unrouted.{'z' * 20}")
    async with started(amqp_url) as bus, await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(UNROUTED)
        with pytest.raises(PublishError, match="nothing takes it"):
            await bus.publish(unroutable)
        full = await channel.declare_queue(
            queue_name(), exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await full.bind(EXCHANGE, refused.type)
        # A classic queue lets in one or two more than its length says, and then refuses.
        answers = await asyncio.gather(*(bus.publish(refused) for _ in range(5)), return_exceptions=True)
        assert any(isinstance(answer, PublishError) and "was not confirmed" in str(answer) for answer in answers)
        assert bus.ready
    # The next start declares what is missing.
    async with started(amqp_url) as bus:
        await bus.publish(unroutable)


@pytest.mark.skipif(not installed(), reason="no RabbitMQ server here to kill: install Debian's rabbitmq-server")
async def test_a_killed_broker_loses_nothing_confirmed() -> None:
    got = Collected()
    queue = queue_name()
    with RabbitNode() as node:
        async with started(node.url, LinkOptions(operation_timeout=5.0, heartbeat=4, max_backoff=0.5)) as bus:
            consumer = await bus.consume(queue, ["instance.updated"], got)
            async with bus.follow(["instance.updated"]) as events:
                followed: list[Event] = []

                async def follow() -> None:
                    async for event in events:
                        followed.append(event)

                following = asyncio.create_task(follow())
                # A quorum queue that is some seconds old: RabbitMQ 3.10 loses one killed at birth.
                await asyncio.sleep(4)
                await consumer.aclose()
                confirmed = [make_event() for _ in range(50)]
                await asyncio.gather(*(bus.publish(event) for event in confirmed))
                await asyncio.to_thread(node.kill)
                with pytest.raises(PublishError):
                    await bus.publish(make_event())
                await asyncio.to_thread(node.start)
                later = make_event()
                await asyncio.wait_for(publish_surely(bus, later), 60)
                await bus.consume(queue, ["instance.updated"], got)
                wanted = {event.id for event in [*confirmed, later]}
                await eventually(lambda: wanted <= got.ids, within=60, what="everything confirmed arriving")
                await eventually(lambda: wanted <= {event.id for event in followed} or following.done(), within=60)
                # Either the follower's queue outlived the crash, or it got an error: never silence.
                if following.done():
                    assert isinstance(following.exception(), FollowLost)
                following.cancel()
