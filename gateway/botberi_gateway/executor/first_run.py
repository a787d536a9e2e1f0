"""The state of an interpreted run of a plan that isn't compiled yet; compiled code goes on where answers are large.

The interpreter takes some 20 µs for a field, and compiled code less than 1 µs. A plan that hasn't been compiled yet is
interpreted until its answers pass a size limit (`Spending.is_large`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from botberi_gateway.executor.budget import Spending
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.plan import Fetch
from botberi_gateway.upstream.port import SubgraphResponse


class Outgrown(Exception):
    """Raised when an answer is large: the plan is compiled, and its program goes on with the answers that came."""


class _Step(Protocol):
    """A compiled fetch, which may repeat a request of the interpreter."""

    @property
    def fetch(self) -> Fetch: ...

    def representations(self, batches: Sequence[Any]) -> Sequence[Sequence[Mapping[str, Any]]]:
        """For each `_entities` field of the request."""
        ...


class FirstRun:
    """Belongs to one client's request. A subgraph's request that was answered is not sent again by the program."""

    def __init__(self, runtime: Runtime) -> None:
        #: Replaced by the execution's own when that starts.
        self.spending = Spending(runtime.environment.config.budget)
        self._loop = asyncio.get_running_loop()
        #: The operation's deadline, by the event loop's clock.
        self.deadline = self._loop.time() + runtime.environment.config.operation_timeout_seconds
        #: Id of a fetch -> its answer, or its failure.
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
        """Store the answer of a request, or its failure."""
        future: asyncio.Future[SubgraphResponse] = self._loop.create_future()
        if isinstance(answer, SubgraphResponse):
            future.set_result(answer)
        else:
            future.set_exception(answer)
            future.exception()  # asyncio logs no failure that was never retrieved
        self.answers[fetch.id] = future
        self._representations[fetch.id] = representations

    def answer_to(
        self, fetch: Fetch, representations: Sequence[Sequence[Mapping[str, Any]]]
    ) -> "asyncio.Future[SubgraphResponse] | None":
        """Implements `botberi_gateway.executor.state.Answered`."""
        if fetch.id not in self.answers or [*self._representations[fetch.id]] != [*representations]:
            return None
        return self.answers[fetch.id]

    def again(self, step: _Step, batches: Sequence[Any]) -> "asyncio.Future[SubgraphResponse] | None":
        """The answer to a program's request; None if it wasn't sent, or asked for other entities."""
        return self.answer_to(step.fetch, step.representations(batches)) if step.fetch.id in self.answers else None

    def give_up(self) -> None:
        """Does nothing: `Outgrown` is raised only when no request is under way."""
