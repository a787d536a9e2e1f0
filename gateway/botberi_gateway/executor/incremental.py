"""A plan with deferred parts -> payloads: first what isn't deferred, then each fragment when its fetches have ended."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias

from botberi_gateway import errors
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.compiled import Compiled
from botberi_gateway.executor.compiled.parts import CompiledParts, Parts
from botberi_gateway.executor.deferral import DeferredSelections
from botberi_gateway.executor.execute import execute
from botberi_gateway.executor.failure import FetchFailure
from botberi_gateway.executor.interpreter import run
from botberi_gateway.executor.joined import Joined
from botberi_gateway.executor.latecomers import DeferringProjection, Group
from botberi_gateway.executor.payload import Payload
from botberi_gateway.executor.publisher import Look, Publisher
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.statistics import ExecutorKind
from botberi_gateway.operation import Operation
from botberi_gateway.operation.defer import Defers
from botberi_gateway.plan import Condition, Defer, Fetch, Parallel, Plan, PlanNode, Sequence

logger = logging.getLogger(__name__)


#: Runs the fetches of a deferred part (None: those that aren't deferred); their errors go to the execution.
Runner: TypeAlias = Callable[[int | None, Execution], Awaitable[None]]

#: Projects the data of these fetches; errors go to the execution.
Looker: TypeAlias = Callable[[frozenset[int], Execution], Look]


async def deliver(
    plan: Plan,
    operation: Operation,
    variables: Mapping[str, Any],
    runtime: Runtime,
    compiled: CompiledParts | None = None,
) -> AsyncGenerator[Payload, None]:
    """The payloads of an operation; a single payload where nothing is deferred.

    A payload is made when it is asked for, so that a slow reader gets several fragments in the same payload. Closing
    the generator cancels the requests that are under way. `compiled` are the plan's programs, if they exist already.
    """
    defers = Defers(operation.document)
    on = frozenset(directive.number for directive in defers if directive.is_on(variables))
    if not isinstance(plan.node, Defer) or not on:
        whole = None if compiled is None else compiled.whole
        yield Payload(await (whole or Compiled(plan, operation)).execute(variables, runtime))
        return
    parts: Parts | None = None
    execution = Execution(operation, variables, runtime, plan.withheld)
    selections = Selections(operation, variables)
    if runtime.environment.executor is not ExecutorKind.INTERPRETED:
        program = (compiled or CompiledParts(plan, operation)).program(variables)
        if isinstance(program, str):
            runtime.environment.statistics.interpreted[program] += 1
        else:
            runtime.environment.statistics.compiled += 1
            parts = Parts(program, execution)
    if parts is not None:
        work = _Work(plan.node, execution, on, parts.run, parts.look)
    else:
        deferred = DeferredSelections(selections, defers, variables)
        interpreting = _Interpreting(plan.node, selections, deferred)
        work = _Work(plan.node, execution, on, interpreting.run, interpreting.look)
    publisher = Publisher(execution, selections, work)
    try:
        try:
            await work.primary()
        except ResponseTooLarge:
            raise
        except Exception:
            if parts is None or runtime.environment.executor is ExecutorKind.BOTH:
                raise
            # All at once, by the interpreter over the same answers; an operator finds the count and this line.
            logger.exception("compiled code failed")
            runtime.environment.statistics.bail_outs["a fault of the compiler"] += 1
            await work.ended()
            yield Payload(await execute(plan, operation, variables, runtime, parts.flight))
            return
        payload = publisher.first()
        yield payload
        while payload.has_next:
            for part, branch in work.newly_ended():
                publisher.absorb(part, branch)
            next_payload = publisher.next()
            if next_payload is not None:
                payload = next_payload
                yield payload
            else:
                await work.progress()
    finally:
        await work.stop()
        publisher.close()
        if parts is not None:
            parts.flight.give_up()


class _Interpreting:
    """The fetches and projections of a delivery by the interpreter."""

    def __init__(self, node: Defer, selections: Selections, deferred: DeferredSelections) -> None:
        self._node = node
        self._selections = selections
        self._deferred = deferred

    async def run(self, part: int | None, execution: Execution) -> None:
        """See `Runner`."""
        if part is None:
            await run(self._node.primary, execution)
        else:
            needed = self._node.deferred[part].depends
            ended = frozenset[int]().union(*(execution.after.get(fetch, ()) for fetch in needed))
            await run(self._node.deferred[part].node, execution, ended)

    def look(self, fetches: frozenset[int], execution: Execution) -> DeferringProjection:
        """See `Looker`."""
        root = Joined(execution.joined).view(fetches)
        return DeferringProjection(execution, root, self._selections, self._deferred)


class _Work:
    """The tasks behind the fetches: one for all that isn't deferred, one for each deferred part."""

    def __init__(self, node: Defer, execution: Execution, on: frozenset[int], runner: Runner, looker: Looker) -> None:
        self._node = node
        self._runner = runner
        self._looker = looker
        self._parts = [(part, part.defers & on) for part in node.deferred]
        #: The task of each deferred part whose end isn't reported yet -> the part's number and execution.
        self._tasks: dict[asyncio.Task[None], tuple[int, Execution]] = {}
        #: The fetches that aren't deferred, and those of each deferred part.
        self._now = frozenset(_fetches(node.primary))
        self._later: dict[int, frozenset[int]] = {}
        execution.ends.update((fetch, asyncio.Event()) for part in node.deferred for fetch in part.depends)
        create = asyncio.get_running_loop().create_task
        self._execution = execution
        #: Why the delivery ends with what has been delivered.
        self._refused: ResponseTooLarge | None = None
        self._needed = [create(self._run(None, execution))]
        for number, (part, defers) in enumerate(self._parts):
            if part.node is None:
                continue
            if defers:
                self._later[number] = frozenset(_fetches(part.node))
            else:
                self._now |= frozenset(_fetches(part.node))
            # What is deferred nowhere, as its `if` is false, belongs to the first payload.
            branch = execution.branch() if defers else execution
            task = create(self._part(number, branch))
            if defers:
                self._tasks[task] = number, branch
            else:
                self._needed.append(task)

    async def _part(self, number: int, execution: Execution) -> None:
        for fetch in self._node.deferred[number].depends:
            await execution.ends[fetch].wait()
        try:
            await self._run(number, execution)
        except ResponseTooLarge as error:
            self._refused = error
        except Exception:
            logger.exception("a deferred part of the plan failed")
            failure = FetchFailure("A deferred part of the response failed.", errors.INTERNAL_SERVER_ERROR)
            execution.failures.append((0, failure, lambda: None))

    async def _run(self, part: int | None, execution: Execution) -> None:
        try:
            await self._runner(part, execution)
        finally:
            # Also those that a condition left out.
            for fetch in _fetches(self._node.primary if part is None else self._node.deferred[part].node):
                execution.note_end(fetch)

    async def primary(self) -> None:
        """Wait for all that isn't deferred."""
        await asyncio.gather(*self._needed)
        self._execution.log_reports(self._now)

    async def ended(self) -> None:
        """Wait for everything, however it ends."""
        await asyncio.gather(*self._needed, *self._tasks, return_exceptions=True)

    def newly_ended(self) -> list[tuple[int, Execution]]:
        """Deferred parts that ended since the last call, each with its errors.

        Raises `ResponseTooLarge`, which refuses the whole delivery.
        """
        if self._refused is not None:
            raise self._refused
        ended = [self._tasks.pop(task) for task in [*self._tasks] if task.done()]
        for part, execution in ended:
            seen = (execution.after.get(fetch, ()) for fetch in self._later[part])
            execution.log_reports(frozenset[int]().union(*seen))
        return ended

    def needs(self, group: Group) -> frozenset[int]:
        """The deferred parts that give the group's fields."""
        return frozenset(
            number for number in self._later if any(self._parts[number][1] <= usage.defers for usage in group.usages)
        )

    def look(self, parts: frozenset[int], execution: Execution) -> Look:
        """Project what isn't deferred, and these parts."""
        return self._looker(self._now.union(*(self._later[part] for part in parts)), execution)

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
