"""Libraries that cancel what we wait for: their loss is a failure like others, and loops go on."""

import asyncio
from typing import Any

import pytest

from event_broker import link as link_module
from event_broker.broken_off import cancelled_only_if_asked
from event_broker.bus import PublishError
from event_broker.link import Link, LinkOptions
from event_broker.publisher import AmqpPublisher
from event_broker.relay import Relay
from tests.support.events import eventually, make_event


async def broken_off(*_: Any, **__: Any) -> None:
    """What a caller sees whose connection a library gave up."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def test_a_cancellation_from_within_is_a_failure() -> None:
    with pytest.raises(ConnectionError), cancelled_only_if_asked():
        await broken_off()


async def test_a_cancellation_that_was_asked_for_stays_one() -> None:
    async def work() -> None:
        with cancelled_only_if_asked():
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_limit_around_it_stays_one() -> None:
    async def work() -> None:
        async with asyncio.timeout(0.01):
            with cancelled_only_if_asked():
                await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await work()


async def test_a_publish_that_is_broken_off_is_not_confirmed() -> None:
    class Exchange:
        publish = staticmethod(broken_off)

    publisher = AmqpPublisher("amqp://nowhere/", "test", LinkOptions())
    publisher._exchange = Exchange()  # type: ignore[assignment]
    publisher._link._ready.set()
    with pytest.raises(PublishError, match="cancelled from within"):
        await publisher.publish(make_event())


async def test_a_session_that_is_broken_off_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = 0

    async def open_connection(*_: Any) -> Any:
        nonlocal sessions
        sessions += 1
        await broken_off()

    monkeypatch.setattr(link_module, "open_connection", open_connection)
    options = LinkOptions(first_backoff=0.01, max_backoff=0.02, start_timeout=5)
    link = Link("amqp://nowhere/", "test", options, broken_off, broken_off)
    starting = asyncio.create_task(link.start())
    await eventually(lambda: sessions > 2)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await link.aclose()


async def test_a_relay_outlives_a_session_that_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = 0

    async def session(*_: Any) -> None:
        nonlocal sessions
        sessions += 1
        await broken_off()

    relay = Relay("shared_psql", "postgresql://nowhere/none", None, asyncio.Event())  # type: ignore[arg-type]
    monkeypatch.setattr(relay, "_session", session)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    await eventually(lambda: sessions > 1)
    stop.set()
    await running
