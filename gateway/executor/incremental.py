"""A plan with deferred parts -> payloads: first what isn't deferred, then each fragment when its fetches have ended."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

from gateway import errors
from gateway.executor.deferral import DeferredSelections
from gateway.executor.execute import execute
from gateway.executor.failure import Failure
from gateway.executor.interpreter import run
from gateway.executor.latecomers import Group
from gateway.executor.payload import Payload
from gateway.executor.publisher import Publisher
from gateway.executor.runtime import Runtime
from gateway.executor.selection import Selections
from gateway.executor.state import Execution
from gateway.operation import Operation
from gateway.operation.defer import Defers
from gateway.plan import Condition, Defer, DeferredPart, Fetch, Parallel, Plan, PlanNode, Sequence

logger = logging.getLogger(__name__)


async def deliver(
    plan: Plan, operation: Operation, variables: Mapping[str, Any], runtime: Runtime
) -> AsyncGenerator[Payload, None]:
    """One payload where nothing is deferred. Closing the generator cancels what is under way.

    Nothing is made before it is asked for: who reads slowly gets several fragments in one payload.
    """
    defers = Defers(operation.document)
    on = frozenset(one.number for one in defers if one.is_on(variables))
    if not isinstance(plan.node, Defer) or not on:
        yield Payload(await execute(plan, operation, variables, runtime))
        return
    runtime.statistics.interpreted["deferred fragments"] += 1
    execution = Execution(operation, variables, runtime)
    selections = Selections(operation, variables)
    work = _Work(plan.node, execution, on)
    publisher = Publisher(execution, selections, DeferredSelections(selections, defers, variables))
    try:
        await work.primary()
        payload = publisher.first()
        yield payload
        while payload.has_next:
            for branch in work.newly_ended():
                publisher.absorb(branch)
            made = publisher.next(work.has_ended)
            if made is not None:
                payload = made
                yield payload
            else:
                await work.progress()
    finally:
        await work.stop()


class _Work:
    """The tasks behind the fetches: one for all that isn't deferred, one for each deferred part."""

    def __init__(self, node: Defer, execution: Execution, on: frozenset[int]) -> None:
        self._parts = [(part, part.defers & on) for part in node.deferred]
        self._tasks: dict[asyncio.Task[None], Execution] = {}
        self._defers: dict[asyncio.Task[None], frozenset[int]] = {}
        execution.ends.update((fetch, asyncio.Event()) for part in node.deferred for fetch in part.depends)
        create = asyncio.get_running_loop().create_task
        self._needed = [create(self._run(node.primary, execution))]
        for part, defers in self._parts:
            if part.node is None:
                continue
            # What is deferred nowhere, as its `if` is false, belongs to the first payload.
            branch = execution.branch() if defers else execution
            task = create(self._part(part, branch))
            if defers:
                self._tasks[task], self._defers[task] = branch, defers
            else:
                self._needed.append(task)

    async def _part(self, part: DeferredPart, execution: Execution) -> None:
        for fetch in part.depends:
            await execution.ends[fetch].wait()
        try:
            await self._run(part.node, execution)
        except Exception:
            logger.exception("a deferred part of the plan failed")
            failure = Failure("A deferred part of the response failed.", errors.INTERNAL_SERVER_ERROR)
            execution.failures.append((0, failure, lambda: None))

    async def _run(self, node: PlanNode | None, execution: Execution) -> None:
        try:
            await run(node, execution)
        finally:
            # Also those that a condition left out.
            for fetch in _fetches(node):
                execution.note_end(fetch)

    async def primary(self) -> None:
        """Wait for all that isn't deferred."""
        await asyncio.gather(*self._needed)

    def newly_ended(self) -> list[Execution]:
        """Deferred parts that ended since the last call."""
        ended = [task for task in self._tasks if task.done()]
        return [self._tasks.pop(task) for task in ended]

    def has_ended(self, group: Group) -> bool:
        """Whether all is there that the group's fields need."""
        return all(
            task not in self._tasks
            for task, defers in self._defers.items()
            if any(defers <= usage.defers for usage in group.usages)
        )

    async def progress(self) -> None:
        """Until one more part has ended."""
        if not self._tasks:
            raise RuntimeError("Fragments are pending, but no part of the plan is.")
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self) -> None:
        """Cancel the requests that are under way."""
        tasks = [*self._needed, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _fetches(node: PlanNode | None) -> Iterator[int]:
    match node:
        case Fetch():
            yield node.id
        case Sequence(nodes) | Parallel(nodes):
            for inner in nodes:
                yield from _fetches(inner)
        case Condition(_, if_true, if_false):
            yield from _fetches(if_true)
            yield from _fetches(if_false)
        case Defer(primary, parts):
            yield from _fetches(primary)
            for part in parts:
                yield from _fetches(part.node)
