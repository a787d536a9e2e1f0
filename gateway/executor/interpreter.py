"""Runs a plan's nodes in their order over one execution."""

import asyncio

from gateway.executor.fetching import run_fetch
from gateway.executor.state import Execution
from gateway.plan import Condition, Defer, Fetch, Parallel, PlanNode, Sequence


async def run(node: PlanNode | None, execution: Execution, ended: frozenset[int] = frozenset()) -> frozenset[int]:
    """Ends when every fetch has answered or failed. Cancelling it cancels the requests that are under way.

    `ended` are fetches that surely have: what others give isn't read, so that the response doesn't depend on who is quick. Gives those that have then.
    """
    match node:
        case Fetch():
            await run_fetch(node, execution, ended)
            execution.note_end(node.id)
            ended |= {node.id}
        case Sequence(nodes):
            for child in nodes:
                ended = await run(child, execution, ended)
        case Parallel(nodes):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(run(child, execution, ended)) for child in nodes]
            ended = ended.union(*(task.result() for task in tasks))
        case Condition(variable, if_true, if_false):
            ended = await run(if_true if execution.variables.get(variable) is True else if_false, execution, ended)
        case Defer(primary, parts):
            # All at once, as this caller wants one answer; needs come first (`incremental.py` has the other way).
            for inner in (primary, *(part.node for part in parts)):
                ended = await run(inner, execution, ended)
        case None:
            pass
    return ended
