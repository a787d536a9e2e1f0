"""What every room may import: backoff, single-flight, JSON log lines."""

import asyncio
import json
import logging
import sys

import pytest

from botberi_gateway.backoff import Backoff, pause_after
from botberi_gateway.logs import JsonFormatter
from botberi_gateway.single_flight import SingleFlight


def test_pauses_double_up_to_the_longest_and_begin_again() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next() == 0.5
    assert pause_after(100_000, 1.0, 60.0) == 60.0
    assert pause_after(0, 1.0, 60.0) == 1.0


def test_spread_pauses_are_between_half_and_all() -> None:
    backoff = Backoff(8.0, 8.0, spread=True)
    pauses = [backoff.next() for _ in range(200)]
    assert min(pauses) >= 4.0
    assert max(pauses) <= 8.0
    assert max(pauses) - min(pauses) > 1.0


class Work:
    """Counts how often it is begun; ends when it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.futures: list[asyncio.Future[int]] = []

    def begin(self) -> asyncio.Future[int]:
        self.begun += 1
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        return future


async def test_equal_work_is_done_once_and_other_work_by_itself() -> None:
    work, joined = Work(), []
    flights: SingleFlight[int] = SingleFlight(on_joined=lambda: joined.append(1))
    callers = [asyncio.create_task(flights.run(key, work.begin)) for key in ("a", "a", "b", "a")]
    await asyncio.sleep(0)
    assert (work.begun, len(joined), len(flights)) == (2, 2, 2)
    for number, future in enumerate(work.futures):
        future.set_result(number)
    assert await asyncio.gather(*callers) == [0, 0, 1, 0]
    assert len(flights) == 0
    again = asyncio.create_task(flights.run("a", work.begin))
    await asyncio.sleep(0)
    work.futures[-1].set_result(7)
    assert (await again, work.begun) == (7, 3)


async def test_an_error_reaches_every_caller_and_grows_no_traceback() -> None:
    work = Work()
    flights: SingleFlight[int] = SingleFlight()
    callers = [asyncio.create_task(flights.run("a", work.begin)) for _ in range(3)]
    await asyncio.sleep(0)
    work.futures[0].set_exception(error := ValueError("no"))
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert results == [error, error, error]


@pytest.mark.parametrize("cancels", [False, True])
async def test_a_caller_that_leaves_takes_nothing_from_the_others(cancels: bool) -> None:
    work = Work()
    flights: SingleFlight[int] = SingleFlight(cancels=cancels)
    leaving, staying = (asyncio.create_task(flights.run("a", work.begin)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    assert not work.futures[0].cancelled()
    work.futures[0].set_result(1)
    assert await staying == 1


@pytest.mark.parametrize("cancels", [False, True])
async def test_work_that_all_have_left_is_cancelled_where_that_is_wanted(cancels: bool) -> None:
    work = Work()
    flights: SingleFlight[int] = SingleFlight(cancels=cancels)
    with pytest.raises(TimeoutError):
        await flights.run("a", work.begin, 0.01)
    assert work.futures[0].cancelled() == cancels
    assert len(flights) == (0 if cancels else 1)


async def test_work_that_all_have_left_is_begun_again_for_the_next() -> None:
    work = Work()
    flights: SingleFlight[int] = SingleFlight(cancels=True)
    leaving = [asyncio.create_task(flights.run("a", work.begin)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    staying = asyncio.create_task(flights.run("a", work.begin))
    await asyncio.wait(leaving)
    await asyncio.sleep(0)
    assert (work.begun, work.futures[0].cancelled()) == (2, True)
    work.futures[1].set_result(1)
    assert await staying == 1


def test_json_lines_have_extras_and_errors() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        record = logging.LogRecord("a.b", logging.WARNING, "file", 1, "said %s", ("so",), sys.exc_info())
    record.created, record.msecs = 0.25, 250.0
    record.__dict__.update(status=200, nothing=None)
    entry = json.loads(JsonFormatter().format(record))
    assert "ValueError: wrong" in entry.pop("exception")
    assert entry == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "a.b",
        "message": "said so",
        "status": 200,
    }
