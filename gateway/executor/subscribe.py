"""A subscription plan -> results as events come: from an event source, or from a subscription of one subgraph."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from gateway import errors
from gateway.errors import ErrorEntry, EventSourceError, SubgraphError
from gateway.executor.eventsource import entity_results
from gateway.executor.execute import finish
from gateway.executor.fetching import join_objects
from gateway.executor.interpreter import run
from gateway.executor.request import failure_of
from gateway.executor.result import ExecutionResult
from gateway.executor.runtime import Runtime
from gateway.executor.state import Execution
from gateway.operation import Operation
from gateway.plan import EventTrigger, Fetch, Plan, PlanNode, Subscription
from gateway.upstream.port import SubgraphRequest, SubgraphResponse

logger = logging.getLogger(__name__)


async def subscribe(
    plan: Plan, operation: Operation, variables: Mapping[str, Any], runtime: Runtime
) -> AsyncIterator[ExecutionResult]:
    """Results until the subscription completes; what breaks it is its last result. Closing the iterator ends everything upstream."""
    if not isinstance(plan.node, Subscription):
        yield ExecutionResult(None, (ErrorEntry("This operation is no subscription.", errors.BAD_REQUEST),))
        return
    primary = plan.node.primary
    if isinstance(primary, EventTrigger):
        results = entity_results(primary, plan.node.rest, operation, variables, runtime)
    else:
        results = _subgraph_results(primary, plan.node.rest, operation, variables, runtime)
    try:
        async with aclosing(results):
            async for result in results:
                yield result
    except SubgraphError as error:
        yield ExecutionResult(None, (failure_of(error).at(None),))
    except EventSourceError as error:
        yield ExecutionResult(None, (ErrorEntry(error.message, error.code),))
    except Exception:
        logger.exception("a subscription failed")
        yield ExecutionResult(None, (ErrorEntry("The subscription failed.", errors.INTERNAL_SERVER_ERROR),))


async def _subgraph_results(
    primary: Fetch,
    rest: PlanNode | None,
    operation: Operation,
    variables: Mapping[str, Any],
    runtime: Runtime,
) -> AsyncGenerator[ExecutionResult, None]:
    client = runtime.clients.get(primary.subgraph)
    if client is None:
        raise SubgraphError(primary.subgraph, f"Subgraph {primary.subgraph!r} is not configured.")
    request = SubgraphRequest(
        operation=primary.operation,
        variables={name: variables[name] for name in primary.variables if name in variables},
        operation_name=primary.operation_name,
        kind="subscription",
        headers=runtime.headers(primary.subgraph),
    )
    answers = client.subscribe(request)
    try:
        async for answer in answers:
            yield await _resolve(primary, answer, rest, Execution(operation, variables, runtime))
    finally:
        # The port promises an iterator; those that are generators end their subscription here.
        close = getattr(answers, "aclose", None)
        if close is not None:
            await close()


async def _resolve(
    primary: Fetch, answer: SubgraphResponse, rest: PlanNode | None, execution: Execution
) -> ExecutionResult:
    join_objects(primary, (execution.root,), answer, execution)
    if answer.data is not None:
        await run(rest, execution)
    return finish(execution)
