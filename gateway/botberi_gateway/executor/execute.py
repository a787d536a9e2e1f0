"""Plan, operation, variables, runtime -> `ExecutionResult`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.errorlog import ErrorLog, ResponsePath
from botberi_gateway.executor.interpreter import run
from botberi_gateway.executor.project import project
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.result import ExecutionResult, refused
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.state import Answered, Execution
from botberi_gateway.executor.unasked import Asked, Unasked
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Fetch, Plan, Subscription


async def execute(
    plan: Plan,
    operation: Operation,
    variables: Mapping[str, Any],
    runtime: Runtime,
    answered: Answered | None = None,
) -> ExecutionResult:
    """Run a query or mutation. `variables` are coerced already. A subgraph's fault becomes errors and nulls, never an exception.

    What `answered` holds is taken from there instead of being asked again.
    """
    if isinstance(plan.node, Subscription):
        message = "A subscription can't be executed as a query; subscribe to it."
        return ExecutionResult(None, (ErrorEntry(message, errors.BAD_REQUEST),))
    execution = Execution(operation, variables, runtime, plan.withheld)
    if answered is not None:
        execution.answered, execution.deadline = answered, answered.deadline
    try:
        await run(plan.node, execution)
        return await finish_aside(execution)
    except ResponseTooLarge as error:
        return refused(error)


async def finish_aside(execution: Execution) -> ExecutionResult:
    """`finish`; in a thread where it takes long, so that the event loop goes on. Nothing else may use the execution meanwhile."""
    if execution.spending.is_large:
        return await asyncio.to_thread(finish, execution)
    return finish(execution)


def finish(execution: Execution) -> ExecutionResult:
    """Project what was fetched."""
    execution.tell()
    root = execution.joined.view()
    data = project(execution, root)
    selections = Selections(execution.operation, execution.variables)
    result = in_clients_terms(data, execution.errors, selections, execution.fetches, lambda: root, execution.names)
    if execution.spending.has_entities:
        result.max_bytes = execution.runtime.environment.config.budget.max_response_bytes
    return result


def in_clients_terms(
    data: Mapping[str, Any] | None,
    log: ErrorLog,
    selections: Selections,
    fetches: Iterable[Fetch],
    view: Callable[[], ObjectView],
    names: TypeNames,
) -> ExecutionResult:
    """The result: errors' paths end where the client's own selection does, and what it doesn't ask for is no error.

    `fetches` are those of entities that were begun; `view` gives the root of the joined view.
    """
    unasked = Unasked(data, fetches, view, names, selections)
    entries: list[tuple[ErrorEntry, ResponsePath, Asked]] = []
    for entry in log.entries():
        known: ResponsePath = ()
        asked = Asked.YES
        if entry.path is not None:
            known = selections.known_part(entry.path)
            if len(known) != len(entry.path):
                entry = replace(entry, path=known or None)
            else:
                asked = unasked.asked(known)
        if asked is not Asked.NO:
            entries.append((entry, known, asked))
    doubted = [path for _, path, asked in entries if asked is Asked.UNKNOWN]
    if doubted:
        # Below a null that another error explains, what may be nobody's error isn't told.
        explained = {unasked.landing(path) for _, path, asked in entries if asked is Asked.YES and path}
        entries = [one for one in entries if one[2] is Asked.YES or unasked.landing(one[1]) not in explained]
    told = tuple(entry for entry, _, _ in entries)
    return ExecutionResult(data, told, {"errorsOmitted": log.omitted} if log.omitted else {})
