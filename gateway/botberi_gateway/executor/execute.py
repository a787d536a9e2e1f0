"""Plan, operation, variables, runtime -> `ExecutionResult`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.errorlog import ErrorLog, ResponsePath
from botberi_gateway.executor.first_run import FirstRun, Outgrown
from botberi_gateway.executor.interpreter import run
from botberi_gateway.executor.project import project
from botberi_gateway.executor.relevance import ErrorRelevance, Relevance
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.result import ExecutionResult, refused
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.state import Answered, Execution
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Fetch, Plan, Subscription


async def execute(
    plan: Plan,
    operation: Operation,
    variables: Mapping[str, Any],
    runtime: Runtime,
    answered: Answered | None = None,
    first_run: FirstRun | None = None,
) -> ExecutionResult:
    """Run a query or mutation with coerced variables. A subgraph's fault becomes errors and nulls, never an exception.

    Requests that `answered` has answers for aren't sent again. With `first_run`, raises `Outgrown` where an answer is
    large.
    """
    if isinstance(plan.node, Subscription):
        message = "A subscription can't be executed as a query; subscribe to it."
        return ExecutionResult(None, (ErrorEntry(message, errors.BAD_REQUEST),))
    execution = Execution(operation, variables, runtime, plan.withheld)
    if answered is not None:
        execution.answered, execution.deadline = answered, answered.deadline
    if first_run is not None:
        execution.first_run, first_run.spending = first_run, execution.spending
    try:
        await run(plan.node, execution)
        if first_run is not None:
            await first_run.check()
        result = await finish_aside(execution)
    except ResponseTooLarge as error:
        result = refused(error)
    except Outgrown:
        execution.release()
        raise
    # Not where it is cancelled: a thread may be looking at the views.
    execution.release()
    return result


async def finish_aside(execution: Execution) -> ExecutionResult:
    """`finish`, in a thread if the result is large, so that the event loop goes on.

    Nothing else may use the execution meanwhile.
    """
    if execution.spending.is_large:
        return await asyncio.to_thread(finish, execution)
    return finish(execution)


def finish(execution: Execution) -> ExecutionResult:
    """Project the fetched data into the result."""
    execution.log_reports()
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
    relevance = ErrorRelevance(data, fetches, view, names, selections)
    entries: list[tuple[ErrorEntry, ResponsePath, Relevance]] = []
    for entry in log.entries():
        known: ResponsePath = ()
        kind = Relevance.RELEVANT
        if entry.path is not None:
            known = selections.known_part(entry.path)
            if len(known) != len(entry.path):
                entry = replace(entry, path=known or None)
            else:
                kind = relevance.of(known)
        if kind is not Relevance.IRRELEVANT:
            entries.append((entry, known, kind))
    if any(kind is Relevance.UNKNOWN for _, _, kind in entries):
        # An error whose relevance is unknown isn't reported below a null that another error explains.
        explained = {relevance.null_place(path) for _, path, kind in entries if kind is Relevance.RELEVANT and path}
        entries = [
            (entry, path, kind)
            for entry, path, kind in entries
            if kind is Relevance.RELEVANT or relevance.null_place(path) not in explained
        ]
    reported = tuple(entry for entry, _, _ in entries)
    return ExecutionResult(data, reported, {"errorsOmitted": log.omitted} if log.omitted else {})
