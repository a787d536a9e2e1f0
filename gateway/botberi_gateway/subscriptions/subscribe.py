"""A subscription plan -> results as events come: from an event source, or from a subscription of one subgraph."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry, GatewayError, SubgraphError
from botberi_gateway.executor.compiled import Compiled
from botberi_gateway.executor.execute import finish
from botberi_gateway.executor.fetching import join_objects
from botberi_gateway.executor.interpreter import run
from botberi_gateway.executor.request import failure_of
from botberi_gateway.executor.result import ExecutionResult
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.statistics import ExecutorKind, ExecutorMismatch
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Fetch, Plan, PlanNode, Subscription
from botberi_gateway.subscriptions.eventsource import entity_results
from botberi_gateway.subscriptions.feed import feed_results
from botberi_gateway.subscriptions.live import FeedPlan, Live, Stage, Subscriber
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse

logger = logging.getLogger(__name__)


async def subscribe(
    plan: Plan,
    operation: Operation,
    variables: Mapping[str, Any],
    runtime: Runtime,
    *,
    subscriber: Subscriber | None = None,
    feed: FeedPlan | None = None,
) -> AsyncIterator[ExecutionResult]:
    """Results until the subscription completes; an error that ends it is its last result.

    Closing the iterator ends the subscription at its subgraph or event source. `subscriber` is for a plan that begins
    with an event source, and `feed` for one whose trigger has a feed.
    """
    if not isinstance(plan.node, Subscription):
        yield ExecutionResult(None, (ErrorEntry("This operation is no subscription.", errors.BAD_REQUEST),))
        return
    compiled = Compiled(plan, operation)
    stage = Stage(plan.node, operation, variables, runtime, subscriber or Subscriber(), feed, compiled, plan.withheld)
    async with aclosing(follow(Live(stage))) as results:
        async for result in results:
            yield result


async def follow(live: Live) -> AsyncGenerator[ExecutionResult, None]:
    """`subscribe` for a subscription that may go on with another plan while it runs."""
    primary = live.stage.node.primary
    if isinstance(primary, Fetch):
        results = _subgraph_results(primary, live)
    else:
        results = entity_results(live) if primary.feed is None else feed_results(live)
    try:
        async with aclosing(results):
            async for result in results:
                yield result
                del result
    except SubgraphError as error:
        yield ExecutionResult(None, (failure_of(error).at(None),))
    except GatewayError as error:
        yield ExecutionResult(None, (ErrorEntry(error.message, error.code),))
    except Exception:
        logger.exception("a subscription failed")
        yield ExecutionResult(None, (ErrorEntry("The subscription failed.", errors.INTERNAL_SERVER_ERROR),))


async def _subgraph_results(primary: Fetch, live: Live) -> AsyncGenerator[ExecutionResult, None]:
    """Stays with the plan and the subgraph that it began with: another connection might miss events."""
    stage = live.stage
    client = stage.runtime.environment.clients.get(primary.subgraph)
    if client is None:
        raise SubgraphError(primary.subgraph, f"Subgraph {primary.subgraph!r} is not configured.")
    request = SubgraphRequest(
        operation=primary.operation,
        variables={name: stage.variables[name] for name in primary.variables if name in stage.variables},
        operation_name=primary.operation_name,
        kind="subscription",
        headers=stage.runtime.headers(primary.subgraph),
    )
    answers = client.subscribe(request)
    try:
        while True:
            try:
                answer = await live.interruptible(answers.__anext__)
            except StopAsyncIteration:
                return
            yield await _result(primary, answer, stage)
    finally:
        # The port promises an iterator; those that are generators end their subscription here.
        close = getattr(answers, "aclose", None)
        if close is not None:
            await close()


async def _result(primary: Fetch, answer: SubgraphResponse, stage: Stage) -> ExecutionResult:
    """By compiled code, or by the interpreter where that is off or bails out of the answer."""
    execution, runtime, result = stage.execution(), stage.runtime, None
    if stage.compiled is not None and runtime.environment.executor is not ExecutorKind.INTERPRETED:
        result, flight = await stage.compiled.event(answer, stage.variables, runtime)
        if result is not None and runtime.environment.executor is not ExecutorKind.BOTH:
            return result
        if flight is not None:
            execution.answered, execution.deadline = flight, flight.deadline
    reference = await _resolve(primary, answer, stage.node.rest, execution)
    if result is not None and result.to_bytes() != reference.to_bytes():
        raise ExecutorMismatch(result.to_bytes(), reference.to_bytes())
    return reference


async def _resolve(
    primary: Fetch, answer: SubgraphResponse, rest: PlanNode | None, execution: Execution
) -> ExecutionResult:
    join_objects(primary, (execution.joined.view(),), answer, execution)
    if answer.data is not None:
        await run(rest, execution, frozenset((primary.id,)))
    return finish(execution)
