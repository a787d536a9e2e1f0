"""Runs a plan's nodes in their order over one execution."""

import asyncio
from typing import Final

from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.fetching import is_needed, run_fetch
from botberi_gateway.executor.first_run import Outgrown
from botberi_gateway.executor.state import Execution
from botberi_gateway.plan import Condition, Defer, Fetch, Parallel, PlanNode, Sequence

_NONE: Final = frozenset[int]()


async def run(node: PlanNode | None, execution: Execution, ended: frozenset[int] = _NONE) -> frozenset[int]:
    """Run a node until every fetch has answered or failed. Cancelling it cancels the requests that are under way.

    `ended` are the fetches that the plan ends before this node; the result adds those that have ended after it. The
    node's fetches read only the data of those: a parallel fetch isn't read, even if it has answered earlier.
    """
    match node:
        case None:
            pass
        case Fetch():
            if is_needed(node, execution):
                await run_fetch(node, execution, ended)
                ended = execution.after[node.id] = ended | {node.id}
            execution.note_end(node.id)
        case Sequence(nodes):
            for child in nodes:
                ended = await run(child, execution, ended)
        case Parallel(nodes):
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(run(child, execution, ended)) for child in nodes]
            except ExceptionGroup as failures:
                raise next(
                    (error for error in failures.exceptions if isinstance(error, ResponseTooLarge | Outgrown)), failures
                ) from None
            ended = ended.union(*(task.result() for task in tasks))
        case Condition(variable, if_true, if_false):
            chosen = if_true if execution.variables.get(variable) is True else if_false
            ended = await run(chosen, execution, ended)
        case Defer(primary, parts):
            # All at once, as this caller wants one answer; needs come first (`incremental.py` has the other way).
            ended = await run(primary, execution, ended)
            for part in parts:
                ended = await run(part.node, execution, ended)
    return ended
