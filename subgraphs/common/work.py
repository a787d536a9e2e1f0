"""Limits of the work that one request may cause in a subgraph, and turns of its execution on the event loop.

Lists in lists multiply: 141 bytes asked for 216,000 objects and held the loop for 32 s. `Work` counts what is executed
and refuses more than a request may have; `SharingExecutor` stops at lists, fields and awaited values when its turn on
the loop is over, and goes on in a later turn. In one process with the gateway (ADR 0002) it is everybody's loop.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Iterable
from time import perf_counter
from typing import Any, Final
from weakref import WeakKeyDictionary

from graphql import is_leaf_type
from graphql.execution.executor import Executor
from graphql.pyutils import Path, gather_with_cancel
from graphql.type import get_nullable_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from subgraphs.common.errors import PublicError

#: Errors of one request; each keeps the frames that it went through.
MAX_ERRORS: Final = 1_000
#: Seconds of one turn of the event loop that all executions of a process together may take.
TURN_SECONDS: Final = 0.01

# Where an error ends an operation, graphql-core drops what it had begun: coroutines in coroutines, which no code awaits
# any more.
warnings.filterwarnings("ignore", r"coroutine '(Executor|SharingExecutor|_Items)\\.", RuntimeWarning)


class ResponseTooLarge(PublicError):
    """The answer would hold more than one request may ask for."""

    code = "RESPONSE_TOO_LARGE"


class Turns:
    """One event loop's turns: whether the executions have used up this one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        #: When the present turn is over; 0.0 while nothing has been executed in it.
        self._end = 0.0

    def is_over(self) -> bool:
        """True if what still is to be done should wait for `next`."""
        now = perf_counter()
        if not self._end:
            self._end = now + TURN_SECONDS
            self._loop.call_soon(self._begin)
            return False
        return now > self._end

    def _begin(self) -> None:
        self._end = 0.0

    async def wait_if_over(self) -> None:
        """Waits for a later turn where this one is over."""
        if self.is_over():
            await self.next()

    async def next(self) -> None:
        """Waits until the loop has done everything else that is ready, and there is time again."""
        while self.is_over():  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(0)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns() -> Turns:
    """Those of the running loop."""
    loop = asyncio.get_running_loop()
    turns_of_loop = _turns.get(loop)
    if turns_of_loop is None:
        turns_of_loop = _turns[loop] = Turns(loop)
    return turns_of_loop


class Work:
    """Count of one request's work: fields of objects and items of lists, counted before they are executed."""

    __slots__ = ("done", "errors", "is_too_much", "max_fields", "turns")

    def __init__(self, max_fields: int) -> None:
        self.max_fields = max_fields
        self.done = self.errors = 0
        self.is_too_much = False
        self.turns = turns()

    def take(self, count: int) -> None:
        """Raises `ResponseTooLarge` where that is more than the request may have, from then on each time."""
        self.done += count
        if self.done > self.max_fields:
            self.is_too_much = True
        if self.is_too_much:
            raise self.refusal()

    def count_error(self) -> None:
        """One more field failed; those that fail by a refusal don't count."""
        if self.is_too_much:
            return
        self.errors += 1
        if self.errors > MAX_ERRORS:
            self.is_too_much = True

    def refusal(self) -> ResponseTooLarge:
        """The error for the client."""
        if self.errors > MAX_ERRORS:
            return ResponseTooLarge(f"More than {MAX_ERRORS} fields of the request failed.")
        return ResponseTooLarge(
            f"The request asks for more than {self.max_fields} fields. Ask for fewer, or for shorter lists."
        )


class SharingExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor with a `Work`, which the request's context value has as `work`. Results are the same."""

    @property
    def _work(self) -> Work | None:
        work = getattr(self.context_value, "work", None)
        return work if isinstance(work, Work) else None

    def execute_fields(
        self, parent_type: Any, source_value: Any, path: Any, grouped_field_set: Any, position_context: Any
    ) -> Any:
        """As in graphql-core; the object's fields count."""
        work = self._work
        if work is not None:
            work.take(len(grouped_field_set))
        return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)

    def execute_field(
        self, parent_type: Any, source: Any, field_details_list: Any, path: Path, position_context: Any
    ) -> Any:
        """As in graphql-core; in a later turn where this one is over."""
        work = self._work
        if work is not None:
            work.take(0)
        if work is None or not work.turns.is_over():
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        return self._execute_later(work, parent_type, source, field_details_list, path, position_context)

    def handle_field_error(self, raw_error: Exception, *place: Any) -> None:
        """As in graphql-core; the error counts."""
        work = self._work
        if work is not None:
            work.count_error()
        super().handle_field_error(raw_error, *place)

    async def _execute_later(self, work: Work, *field: Any) -> Any:
        await work.turns.next()
        result = super().execute_field(*field)
        return await result if self.is_awaitable(result) else result

    async def complete_awaitable_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Path, result: Any, position_context: Any
    ) -> Any:
        """As in graphql-core; thousands may become ready in one turn."""
        work = self._work
        if work is not None:
            result = _in_turn(result, work)
        return await super().complete_awaitable_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def complete_iterable_value(
        self,
        item_type: Any,
        field_details_list: Any,
        info: Any,
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> Any:
        """As in graphql-core; the items count, and those that have no time in this turn are completed in later ones."""
        work = self._work
        if work is None or not isinstance(items, list | tuple):
            return super().complete_iterable_value(item_type, field_details_list, info, path, items, position_context)
        work.take(len(items))
        if is_leaf_type(get_nullable_type(item_type)) or len(items) < 2 or any(map(self.is_awaitable, items)):
            return super().complete_iterable_value(item_type, field_details_list, info, path, items, position_context)
        batch = _Items(self, work, items, (item_type, field_details_list, info), path, position_context)
        batch.complete_some()
        if batch.is_whole and not batch.awaitable:
            return batch.results
        return batch.complete_rest()


class _Items:
    """A list of objects that is being completed, item by item."""

    def __init__(
        self,
        executor: Executor[Any],
        work: Work,
        items: list[Any] | tuple[Any, ...],
        kind: tuple[Any, Any, Any],
        path: Path,
        position_context: Any,
    ) -> None:
        self._executor = executor
        self._work = work
        self._items = items
        self._kind = kind
        self._path = path
        self._position_context = position_context
        self.results: list[Any] = []
        #: Indices of results that are to be awaited.
        self.awaitable: list[int] = []

    @property
    def is_whole(self) -> bool:
        return len(self.results) == len(self._items)

    def complete_some(self) -> None:
        """As many as this turn has time for, at least one."""
        complete = self._executor.complete_list_item_value
        item_type, details, info = self._kind
        is_over = self._work.turns.is_over
        try:
            for index in range(len(self.results), len(self._items)):
                path = self._path.add_key(index, None)
                if complete(self._items[index], self.results, item_type, details, info, path, self._position_context):
                    self.awaitable.append(index)
                if is_over():
                    return
        except Exception:
            if self.awaitable:
                self._executor.settle_in_background([self.results[index] for index in self.awaitable])
            raise

    async def complete_rest(self) -> list[Any]:
        while not self.is_whole:
            await self._work.turns.next()
            self.complete_some()
        if self.awaitable:
            settled = await gather_with_cancel(*await self._begun())
            for index, value in zip(self.awaitable, settled, strict=True):
                self.results[index] = value
        return self.results

    async def _begun(self) -> list[asyncio.Future[Any]]:
        """A task for each of what is to be awaited: making thousands takes turns as well."""
        tasks: list[asyncio.Future[Any]] = []
        try:
            for index in self.awaitable:
                tasks.append(asyncio.ensure_future(self.results[index]))
                await self._work.turns.wait_if_over()
        except BaseException:
            for task in tasks:
                task.cancel()
            raise
        return tasks


async def _in_turn(result: Awaitable[Any], work: Work) -> Any:
    value = await result
    await work.turns.wait_if_over()
    return value
