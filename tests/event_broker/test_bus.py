"""What every bus promises, tried on every bus."""

import asyncio
from uuid import uuid4

import pytest

from event_broker.amqp import AmqpBus
from event_broker.bus import Bus, FollowLost
from event_broker.memory import MemoryBus
from shared_schema.contracts.events import Event
from shared_schema.ids import new_id
from tests.support.events import eventually, make_event


def queue_name() -> str:
    return f"test-{uuid4().hex}"


async def test_a_consumer_gets_what_its_topics_match(bus: Bus) -> None:
    got: list[Event] = []

    async def handler(event: Event) -> None:
        got.append(event)

    consumer = await bus.consume(queue_name(), ["instance.*"], handler)
    assert consumer.ready
    sent = [make_event("instance.created"), make_event("agent.created"), make_event("instance.deleted")]
    for event in sent:
        await bus.publish(event)
    await eventually(lambda: len(got) == 2)
    # Each aggregate on its own: across aggregates there is no order.
    assert sorted(got, key=lambda event: event.type) == [sent[0], sent[2]]
    await asyncio.sleep(0.05)
    assert len(got) == 2


async def test_publishing_an_event_without_followers_is_no_error(bus: Bus) -> None:
    await bus.publish(make_event("without.followers"))


async def test_events_of_one_aggregate_are_handled_one_after_another(bus: Bus) -> None:
    handled: list[int] = []
    running = 0

    async def handler(event: Event) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.002)
        handled.append(event.data.version)
        running -= 1

    await bus.consume(queue_name(), ["instance.updated"], handler)
    subject = new_id()
    for version in range(1, 51):
        await bus.publish(make_event(subject=subject, version=version))
    await eventually(lambda: len(handled) == 50)
    assert handled == list(range(1, 51))


async def test_different_aggregates_do_not_wait_for_one_another(bus: Bus) -> None:
    release = asyncio.Event()
    done: list[Event] = []
    stuck = make_event()

    async def handler(event: Event) -> None:
        if event.subject == stuck.subject:
            await release.wait()
        done.append(event)

    await bus.consume(queue_name(), ["instance.updated"], handler)
    await bus.publish(stuck)
    other = make_event()
    await bus.publish(other)
    await eventually(lambda: done == [other])
    release.set()
    await eventually(lambda: done == [other, stuck])


async def test_a_handler_that_fails_is_called_again(bus: Bus) -> None:
    calls: list[Event] = []

    async def handler(event: Event) -> None:
        calls.append(event)
        if len(calls) < 3:
            raise RuntimeError("not yet")

    await bus.consume(queue_name(), ["instance.updated"], handler)
    event = make_event()
    await bus.publish(event)
    await eventually(lambda: len(calls) == 3)
    await asyncio.sleep(0.1)
    assert calls == [event] * 3


async def test_a_handler_cancelled_from_within_has_failed(bus: Bus) -> None:
    calls = 0

    async def handler(event: Event) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise asyncio.CancelledError

    await bus.consume(queue_name(), ["instance.updated"], handler)
    await bus.publish(make_event())
    await eventually(lambda: calls == 2)


async def test_poison_goes_to_the_dead_letters_and_holds_up_no_other(bus: Bus, request: pytest.FixtureRequest) -> None:
    queue = queue_name()
    attempts: list[Event] = []
    good: list[Event] = []
    poison = make_event()

    async def handler(event: Event) -> None:
        if event.subject == poison.subject:
            attempts.append(event)
            raise RuntimeError("poison")
        good.append(event)

    await bus.consume(queue, ["instance.updated"], handler)
    await bus.publish(poison)
    after = make_event()
    await bus.publish(after)
    await eventually(lambda: len(attempts) == 3 and good == [after])
    if isinstance(bus, MemoryBus):
        await eventually(lambda: bus.dead_letters(queue) == (poison,))
    else:
        assert await dead_letter(request.getfixturevalue("amqp_url"), queue) == poison
    assert len(attempts) == 3


async def dead_letter(url: str, queue: str) -> Event:
    import aio_pika

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        dead = await channel.declare_queue(f"{queue}.dead", passive=True)
        async with asyncio.timeout(10), dead.iterator() as messages:
            async for message in messages:
                await message.ack()
                return Event.from_json(message.body)
    raise AssertionError("no dead letter")


async def test_a_handler_that_hangs_is_given_up(bus: Bus) -> None:
    from tests.event_broker.conftest import QUICK

    assert QUICK.handler_timeout == 2.0
    calls = 0

    async def handler(event: Event) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(60)

    await bus.consume(queue_name(), ["instance.updated"], handler)
    await bus.publish(make_event())
    await eventually(lambda: calls == 2, within=5)


async def test_consumers_of_one_queue_share_it(bus: Bus) -> None:
    queue = queue_name()
    first: list[Event] = []
    second: list[Event] = []

    async def one(event: Event) -> None:
        await asyncio.sleep(0.005)
        first.append(event)

    async def two(event: Event) -> None:
        await asyncio.sleep(0.005)
        second.append(event)

    await bus.consume(queue, ["instance.updated"], one)
    await bus.consume(queue, ["instance.updated"], two)
    sent = [make_event() for _ in range(100)]
    await asyncio.gather(*(bus.publish(event) for event in sent))
    await eventually(lambda: len(first) + len(second) == 100)
    assert {event.id for event in first + second} == {event.id for event in sent}
    assert first
    assert second


async def test_queues_are_durable_for_their_consumers(bus: Bus) -> None:
    queue = queue_name()
    got: list[Event] = []

    async def handler(event: Event) -> None:
        got.append(event)

    consumer = await bus.consume(queue, ["instance.updated"], handler)
    await consumer.aclose()
    assert not consumer.ready
    event = make_event()
    await bus.publish(event)
    await asyncio.sleep(0.05)
    assert got == []
    await bus.consume(queue, ["instance.updated"], handler)
    await eventually(lambda: got == [event])


async def test_a_handler_cut_short_by_closing_gets_the_event_again(bus: Bus) -> None:
    queue = queue_name()
    started = asyncio.Event()
    got: list[Event] = []

    async def hanging(event: Event) -> None:
        started.set()
        await asyncio.sleep(60)

    async def handler(event: Event) -> None:
        got.append(event)

    consumer = await bus.consume(queue, ["instance.updated"], hanging)
    event = make_event()
    await bus.publish(event)
    await asyncio.wait_for(started.wait(), 5)
    await consumer.aclose()
    await bus.consume(queue, ["instance.updated"], handler)
    await eventually(lambda: got == [event])


async def test_followers_see_everything_after_entering(bus: Bus) -> None:
    subject = new_id()
    async with bus.follow(["instance.*", "agent.#"]) as all_events, bus.follow(["agent.created"]) as agents:
        sent = [make_event("instance.updated", subject=subject, version=n) for n in range(1, 21)]
        created = make_event("agent.created")
        for event in [*sent, make_event("template.created"), created]:
            await bus.publish(event)
        async with asyncio.timeout(10):
            assert [await anext(all_events) for _ in range(21)] == [*sent, created]
            assert await anext(agents) == created


async def test_followers_that_come_at_once_all_hear(bus: Bus) -> None:
    """broadcaster 0.3.1 loses all but the last of them."""
    entered = asyncio.Barrier(6)

    async def follow() -> Event:
        async with bus.follow(["instance.created"]) as events:
            await entered.wait()
            return await anext(events)

    tasks = [asyncio.create_task(follow()) for _ in range(5)]
    async with asyncio.timeout(10):
        await entered.wait()
        event = make_event("instance.created")
        await bus.publish(event)
        assert await asyncio.gather(*tasks) == [event] * 5


async def test_followers_that_come_and_go_leave_the_others_alone(bus: Bus) -> None:
    async with bus.follow(["instance.updated"]) as staying:
        for _ in range(20):
            async with bus.follow(["instance.updated"]):
                pass
        event = make_event()
        await bus.publish(event)
        assert await asyncio.wait_for(anext(staying), 5) == event
    async with bus.follow(["instance.updated"]) as again:
        later = make_event()
        await bus.publish(later)
        assert await asyncio.wait_for(anext(again), 5) == later


async def test_a_slow_follower_gets_the_newest_state(bus: Bus) -> None:
    subject, other = new_id(), new_id()
    async with bus.follow(["instance.updated"], max_queue=5) as slow, bus.follow(["instance.updated"]) as quick:
        await bus.publish(make_event(subject=other, version=7))
        for version in range(1, 101):
            await bus.publish(make_event(subject=subject, version=version))
        async with asyncio.timeout(10):
            every = [(await anext(quick)).data.version for _ in range(101)]
            assert every == [7, *range(1, 101)]
            got = [await anext(slow)]
            while got[-1].data.version != 100:
                got.append(await anext(slow))
    assert len(got) <= 5
    assert got[0].subject == other
    versions = [event.data.version for event in got[1:]]
    assert versions == sorted(versions)


async def test_a_follower_that_cannot_keep_up_gets_an_error(bus: Bus) -> None:
    async with bus.follow(["instance.updated"], max_queue=3) as slow, bus.follow(["instance.updated"]) as quick:
        for _ in range(4):
            await bus.publish(make_event())
        async with asyncio.timeout(10):
            for _ in range(4):
                await anext(quick)
            with pytest.raises(FollowLost):
                await anext(slow)


async def test_closing_ends_followers(request: pytest.FixtureRequest, bus: Bus) -> None:
    async with bus.follow(["instance.updated"]) as events:
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await bus.aclose()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(waiting, 5)
    assert not bus.ready


@pytest.mark.parametrize("topics", [[], [""], ["a..b"], ["inst*.created"], ["x" * 300]])
async def test_wrong_patterns_are_refused(bus: Bus, topics: list[str]) -> None:
    async def handler(event: Event) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="topic"):
        await bus.consume(queue_name(), topics, handler)
    with pytest.raises(ValueError, match="topic"):
        async with bus.follow(topics):
            pass


async def test_what_happens_before_the_first_consumer_waits_for_it(bus: Bus, request: pytest.FixtureRequest) -> None:
    got: list[Event] = []

    async def handler(event: Event) -> None:
        got.append(event)

    event = make_event("instance.created")
    await bus.publish(event)
    await bus.consume("agents-dispatcher", ["instance.created"], handler)
    # Other tests of the session share the broker, and with it this queue.
    await eventually(lambda: event in got)


async def test_many_events_pass_in_little_time(bus: Bus) -> None:
    got: set[str] = set()

    async def handler(event: Event) -> None:
        got.add(str(event.id))

    await bus.consume(queue_name(), ["instance.updated"], handler)
    sent = [make_event() for _ in range(500)]
    await asyncio.gather(*(bus.publish(event) for event in sent))
    await eventually(lambda: len(got) == 500, within=20)


async def test_a_bus_of_rabbitmq_needs_no_second_start(bus: Bus) -> None:
    await bus.start()
    assert bus.ready
    if isinstance(bus, AmqpBus):
        await bus.publish(make_event())
