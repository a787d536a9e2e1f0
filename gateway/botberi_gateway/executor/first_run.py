"""An operation's first run, by the interpreter -> its answers, with which compiled code goes on where one is large.

The interpreter takes some 20 µs for a field, and compiled code less than one. A plan that hasn't been compiled yet is
interpreted as long as that takes less time than compiling it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from botberi_gateway.executor.budget import Spending
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.plan import Fetch
from botberi_gateway.upstream.port import SubgraphResponse


class Outgrown(Exception):
    """An answer is large: the plan's program has to be compiled, and goes on with the answers that came."""


class _Step(Protocol):
    """A fetch of a program, which may ask for the same."""

    @property
    def fetch(self) -> Fetch: ...

    def representations(self, batches: Sequence[Any]) -> Sequence[Sequence[Mapping[str, Any]]]:
        """For each `_entities` field of the request."""
        ...


class FirstRun:
    """Belongs to one request. No request whose answer came is sent again, to go on with."""

    def __init__(self, runtime: Runtime) -> None:
        self.spending = Spending(runtime.environment.config.budget)
        self._loop = asyncio.get_running_loop()
        #: The operation's deadline, by the event loop's clock.
        self.deadline = self._loop.time() + runtime.environment.config.operation_timeout_seconds
        #: Fetch -> its answer, or its failure.
        self.answers: dict[int, asyncio.Future[SubgraphResponse]] = {}
        self._representations: dict[int, Sequence[Sequence[Mapping[str, Any]]]] = {}
        self._under_way = 0
        self._quiet: asyncio.Event | None = None

    async def check(self) -> None:
        """Raise `Outgrown` if what has come is large, as soon as no request is under way."""
        if not self.spending.is_large:
            return
        if self._under_way:
            if self._quiet is None:
                self._quiet = asyncio.Event()
            await self._quiet.wait()
        raise Outgrown

    def begin(self) -> None:
        """Note that a request is sent."""
        self._under_way += 1

    def end(self) -> None:
        """Note that a request has ended."""
        self._under_way -= 1
        if self._quiet is not None and not self._under_way:
            self._quiet.set()

    def keep(
        self,
        fetch: Fetch,
        representations: Sequence[Sequence[Mapping[str, Any]]],
        answer: SubgraphResponse | Exception,
    ) -> None:
        """Keep what a request was answered, or why it failed."""
        future: asyncio.Future[SubgraphResponse] = self._loop.create_future()
        if isinstance(answer, SubgraphResponse):
            future.set_result(answer)
        else:
            future.set_exception(answer)
            future.exception()  # it counts as seen
        self.answers[fetch.id] = future
        self._representations[fetch.id] = representations

    def answer_to(
        self, fetch: Fetch, representations: Sequence[Sequence[Mapping[str, Any]]]
    ) -> "asyncio.Future[SubgraphResponse] | None":
        """See `Answered`."""
        if fetch.id not in self.answers or [*self._representations[fetch.id]] != [*representations]:
            return None
        return self.answers[fetch.id]

    def again(self, step: _Step, batches: Sequence[Any]) -> "asyncio.Future[SubgraphResponse] | None":
        """The answer to a program's request; None if it wasn't sent, or asked for other entities."""
        return self.answer_to(step.fetch, step.representations(batches)) if step.fetch.id in self.answers else None

    def give_up(self) -> None:
        """Nothing is under way any more."""
