"""Parts kept alive: order, health, restarts, giving up, stopping."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from botberi.run import supervisor as module
from botberi.run.errors import StartError
from botberi.run.supervisor import Part, Ready, Supervisor


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "_MAX_PAUSE", 0.02)


def steady(name: str, log: list[str], delay: float = 0.0) -> Callable[[Ready], Awaitable[None]]:
    async def run(ready: Ready) -> None:
        log.append(f"{name} begins")
        await asyncio.sleep(delay)
        ready(f"at {name}")
        try:
            await asyncio.Event().wait()
        finally:
            log.append(f"{name} ends")

    return run


async def test_parts_start_in_order_and_end_in_the_other() -> None:
    log: list[str] = []
    supervisor = Supervisor()
    await supervisor.start(Part("ground", steady("ground", log)))
    await supervisor.start(
        Part("front", steady("front", log), after=("middle",)), Part("middle", steady("middle", log, 0.05))
    )
    assert log == ["ground begins", "middle begins", "front begins"]
    assert supervisor.where == {"ground": "at ground", "front": "at front", "middle": "at middle"}
    await supervisor.stop()
    assert log[3:] == ["front ends", "middle ends", "ground ends"]


async def test_a_part_that_dies_is_started_again() -> None:
    lives = 0
    again = asyncio.Event()

    async def run(ready: Ready) -> None:
        nonlocal lives
        lives += 1
        ready("here")
        if lives == 1:
            raise ValueError("the first time")
        again.set()
        await asyncio.Event().wait()

    supervisor = Supervisor()
    await supervisor.start(Part("weak", run))
    await asyncio.wait_for(again.wait(), 5)
    await supervisor.stop()
    assert lives == 2


async def test_a_part_that_is_cancelled_from_within_is_started_again() -> None:
    lives = 0
    again = asyncio.Event()

    async def run(ready: Ready) -> None:
        nonlocal lives
        lives += 1
        ready("here")
        if lives == 1:
            lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            lost.cancel()
            await lost
        again.set()
        await asyncio.Event().wait()

    supervisor = Supervisor()
    await supervisor.start(Part("weak", run))
    await asyncio.wait_for(again.wait(), 5)
    await supervisor.stop()


async def test_a_part_that_keeps_dying_ends_the_platform_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    async def run(ready: Ready) -> None:
        ready("here")
        raise ValueError("broken for good")

    supervisor = Supervisor()
    await supervisor.start(Part("weak", run, give_up_after=3))
    with pytest.raises(StartError, match=r"weak died 3 times in a row.*broken for good"):
        await asyncio.wait_for(supervisor.wait(), 5)
    assert [record.levelname for record in caplog.records if "died" in record.message] == ["ERROR", "ERROR"]
    await supervisor.stop()


async def test_a_problem_that_a_person_can_fix_is_reported_at_once() -> None:
    tries = 0

    async def run(_: Ready) -> None:
        nonlocal tries
        tries += 1
        raise StartError("choose another port")

    supervisor = Supervisor()
    with pytest.raises(StartError, match="choose another port"):
        await asyncio.wait_for(supervisor.start(Part("front", run)), 5)
    assert tries == 1
    await supervisor.stop()


async def test_a_part_that_never_gets_healthy_is_ended() -> None:
    ended = 0

    async def run(_: Ready) -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1

    supervisor = Supervisor()
    with pytest.raises(StartError, match=r"not healthy within 0 s"):
        await supervisor.start(Part("slow", run, start_timeout=0.05, give_up_after=2))
    assert ended == 2
    await supervisor.stop()


async def test_returning_is_dying() -> None:
    async def run(ready: Ready) -> None:
        ready("here")

    supervisor = Supervisor()
    await supervisor.start(Part("short", run, give_up_after=1))
    with pytest.raises(StartError, match="it ended by itself"):
        await asyncio.wait_for(supervisor.wait(), 5)
    await supervisor.stop()


async def test_a_part_that_does_not_stop_is_left_in_time(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def run(ready: Ready) -> None:
        ready("here")
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    supervisor = Supervisor()
    await supervisor.start(Part("stubborn", run, stop_timeout=0.1))
    await asyncio.wait_for(supervisor.stop(), 2)
    assert "did not stop within" in caplog.text
    release.set()


async def test_stopping_in_the_middle_of_a_start() -> None:
    log: list[str] = []
    supervisor = Supervisor()
    starting = asyncio.create_task(
        supervisor.start(Part("ground", steady("ground", log)), Part("never", steady("never", log, 60)))
    )
    await asyncio.sleep(0.05)
    starting.cancel()
    await asyncio.wait_for(supervisor.stop(), 2)
    assert "ground ends" in log
