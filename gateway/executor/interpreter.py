"""Runs a plan's nodes in their order over one execution."""

import asyncio

from gateway.executor.fetching import run_fetch
from gateway.executor.state import Execution
from gateway.plan import Condition, Defer, Fetch, Parallel, PlanNode, Sequence


async def run(node: PlanNode | None, execution: Execution) -> None:
    """Ends when every fetch has answered or failed. Cancelling it cancels the requests that are under way."""
    match node:
        case None:
            return
        case Fetch():
            await run_fetch(node, execution)
            execution.note_end(node.id)
        case Sequence(nodes):
            for child in nodes:
                await run(child, execution)
        case Parallel(nodes):
            async with asyncio.TaskGroup() as group:
                for child in nodes:
                    group.create_task(run(child, execution))
        case Condition(variable, if_true, if_false):
            await run(if_true if execution.variables.get(variable) is True else if_false, execution)
        case Defer(primary, parts):
            # All at once, as this caller wants one answer; needs come first (`incremental.py` has the other way).
            await run(primary, execution)
            for part in parts:
                await run(part.node, execution)
