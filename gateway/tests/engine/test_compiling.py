"""Programs are compiled one at a time, when the event loop has little else to do, and in the end in any case."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from botberi_gateway.engine import compiling
from botberi_gateway.engine.compiling import IdleCompiler
from botberi_gateway.errors import GatewayError


class Threads:
    """Counts what is called, and how much of it at the same time."""

    def __init__(self) -> None:
        self.calls = self.now = self.most = 0
        self.refusals = 0

    def submit(self, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        if self.refusals:
            self.refusals -= 1
            raise GatewayError("too much", code="OVERLOADED")
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        future = asyncio.get_running_loop().run_in_executor(None, work)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: object) -> None:
        self.now -= 1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a thread is waited for
            await asyncio.sleep(0.001)


async def test_one_after_another_with_its_result() -> None:
    threads, results = Threads(), list[int]()
    compiler = IdleCompiler(threads.submit)
    for number in range(5):
        assert compiler.later(lambda number=number: number, results.append)
    await until(lambda: len(results) == 5)
    assert results == [0, 1, 2, 3, 4]
    assert threads.most == 1


async def test_a_fault_does_not_keep_the_next_from_its_turn() -> None:
    threads, results = Threads(), list[int]()
    compiler = IdleCompiler(threads.submit)
    compiler.later(lambda: 1 // 0, results.append)
    compiler.later(lambda: 1, results.append)
    await until(lambda: results == [1])


async def test_a_fault_in_taking_a_result_does_not_keep_the_next_from_its_turn() -> None:
    threads, results, faults = Threads(), list[int](), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
    compiler = IdleCompiler(threads.submit)
    compiler.later(lambda: 0, lambda result: results.append(1 // result))
    compiler.later(lambda: 1, results.append)
    await until(lambda: results == [1])
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


async def test_what_the_threads_refuse_is_tried_again() -> None:
    threads, results = Threads(), list[int]()
    threads.refusals = 3
    IdleCompiler(threads.submit).later(lambda: 1, results.append)
    await until(lambda: results == [1])


async def test_a_busy_loop_puts_it_off_but_not_for_ever() -> None:
    threads, results = Threads(), list[int]()
    compiler = IdleCompiler(threads.submit)
    compiler.later(lambda: 1, results.append)
    turns = 0
    while not threads.calls:
        time.sleep(0.012)  # noqa: ASYNC251 - this is what a busy loop does
        await asyncio.sleep(0)
        turns += 1
        assert turns < 200
    assert turns >= compiling._MAX_PAUSES
    await until(lambda: results == [1])


async def test_what_waits_has_a_bound_and_closing_drops_it() -> None:
    threads = Threads()
    compiler = IdleCompiler(threads.submit)
    accepted = [compiler.later(lambda: 1, lambda _: None) for _ in range(compiling._MAX_WAITING + 1)]
    assert accepted[-2:] == [True, False]
    compiler.close()
    await asyncio.sleep(0.02)
    assert not threads.calls
