"""Equal whole queries under way are executed once: for the same asker only, and a caller that leaves affects no other."""

import asyncio
from typing import Any

import pytest

from botberi_gateway.transport.sharing import Sharing, asker


class Work:
    """Counts how often it ran, and how it ended."""

    def __init__(self) -> None:
        self.runs = self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self) -> str:
        self.runs += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "done"


async def test_equal_work_runs_once() -> None:
    joined: list[None] = []
    sharing: Sharing[str] = Sharing(lambda: joined.append(None))
    work = Work()
    tasks = [asyncio.create_task(sharing.run("key", work)) for _ in range(5)]
    other = asyncio.create_task(sharing.run("other", work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[3].cancel()
    await asyncio.sleep(0)
    work.go.set()
    results = await asyncio.gather(*tasks, other, return_exceptions=True)
    assert [r for r in results if isinstance(r, str)] == ["done"] * 4
    assert (work.runs, work.cancelled, len(joined)) == (2, 0, 4)


async def test_work_without_a_caller_is_cancelled_and_begun_again() -> None:
    sharing: Sharing[str] = Sharing(lambda: None)
    work = Work()
    tasks = [asyncio.create_task(sharing.run("key", work)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    again = asyncio.create_task(sharing.run("key", work))
    await asyncio.wait(tasks)
    await asyncio.sleep(0.01)
    assert (work.runs, work.cancelled) == (2, 1)
    work.go.set()
    assert await again == "done"


async def test_an_error_reaches_all() -> None:
    sharing: Sharing[str] = Sharing(lambda: None)

    async def fails() -> str:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    found = await asyncio.gather(*(sharing.run("key", fails) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in found] == [ValueError] * 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"cookie": "a=1"}, {"cookie": "a=2"}, False),
        ({"authorization": "x"}, {}, False),
        ({"x-api-key": "x"}, {"x-api-key": "y"}, False),
        ({"accept-language": "de"}, {"accept-language": "fr"}, False),
        ({"x-request-id": "1", "content-length": "7"}, {"traceparent": "2"}, True),
    ],
)
def test_who_is_the_same_asker(one: Any, other: Any, same: bool) -> None:
    assert (asker(one) == asker(other)) is same
