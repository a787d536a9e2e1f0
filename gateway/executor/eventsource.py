"""An event source's events -> results: the present state first, then each newer one; the newest alone when the consumer is slow."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

from gateway.errors import ErrorEntry, EventSourceError
from gateway.executor.conditions import arguments, conditions, matches
from gateway.executor.delivery import Pending, Versions
from gateway.executor.execute import finish
from gateway.executor.interpreter import run
from gateway.executor.result import ExecutionResult
from gateway.executor.runtime import Runtime
from gateway.executor.state import Execution
from gateway.executor.view import ObjectView
from gateway.operation import Operation
from gateway.plan import EventTrigger, PlanNode
from gateway.upstream.events import EventSource, SourceEvent

logger = logging.getLogger(__name__)

NOT_FOUND: Final = "NOT_FOUND"
#: The order of the event's own layer: before every fetch.
_EVENT: Final = -1


async def entity_results(
    trigger: EventTrigger,
    rest: PlanNode | None,
    operation: Operation,
    variables: Mapping[str, Any],
    runtime: Runtime,
) -> AsyncGenerator[ExecutionResult, None]:
    """Raises `EventSourceError` when the source is lost."""
    source = runtime.event_source
    if source is None:
        raise EventSourceError("This gateway has no event source.")
    given = arguments(trigger, variables)
    wanted = conditions(trigger, given, runtime.subject)
    if isinstance(wanted, ErrorEntry):
        yield ExecutionResult(None, (wanted,))
        return
    about_one = trigger.snapshot or any(attribute in trigger.key_fields for attribute in wanted)
    versions = Versions()
    async with _following(source, trigger, wanted, runtime.max_pending_events) as pending:
        if trigger.snapshot:
            pending.put_first({name: given.get(name) for name in trigger.key_fields})
        async for key in pending:
            execution = Execution(operation, variables, runtime)
            entity_data = {"__typename": trigger.type_name}
            entity_data |= {source: key[name] for name, sources in trigger.key_sources for source in sources}
            execution.root.add(_EVENT, {trigger.response_key: entity_data})
            await run(rest, execution)
            entity = execution.root.child(trigger.response_key)
            if _is_unknown(entity, trigger):
                if about_one:
                    yield _not_found(trigger, operation, variables, runtime)
                    return
                logger.debug("subscription %s: its subgraph doesn't know the entity of an event", trigger.response_key)
                continue
            version = entity.value(trigger.version_key) if trigger.version_key else None
            if not versions.rises(key, version):
                continue
            result = finish(execution)
            yield result
            if trigger.until_key and entity.value(trigger.until_key) is True:
                return


def _is_unknown(entity: ObjectView, trigger: EventTrigger) -> bool:
    """It doesn't exist, or the caller may not see it.

    Who has its version knows that; without one, all subgraphs must agree: others may answer something for any key.
    """
    nulls = [gap for gap in entity.gaps if gap.failure is None]
    if trigger.version_key is not None:
        return any(gap.covers([trigger.version_key]) for gap in nulls)
    return bool(nulls) and len(nulls) == len(entity.gaps) and len(entity.layers) == 1


def _not_found(
    trigger: EventTrigger, operation: Operation, variables: Mapping[str, Any], runtime: Runtime
) -> ExecutionResult:
    execution = Execution(operation, variables, runtime)
    execution.root.add(_EVENT, {trigger.response_key: None})
    message = f"There is no such {trigger.type_name}."
    execution.errors.add(_EVENT, ErrorEntry(message, NOT_FOUND, (trigger.response_key,)))
    return finish(execution)


@contextlib.asynccontextmanager
async def _following(
    source: EventSource, trigger: EventTrigger, wanted: Mapping[str, str], limit: int
) -> AsyncIterator[Pending]:
    """Enter once the source follows the topics, so that no change after that is missed."""
    pending = Pending(limit)
    async with contextlib.AsyncExitStack() as stack:
        try:
            events = await stack.enter_async_context(source.follow(trigger.topics))
        except EventSourceError:
            raise
        except Exception as error:
            logger.exception("subscription %s: the event source can't be followed", trigger.response_key)
            raise EventSourceError("The event source failed.") from error
        reader = asyncio.create_task(_read(events, trigger, wanted, pending))
        try:
            yield pending
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader


async def _read(
    events: AsyncIterator[SourceEvent], trigger: EventTrigger, wanted: Mapping[str, str], pending: Pending
) -> None:
    try:
        async for event in events:
            if matches(event, wanted) and all(name in event.key for name in trigger.key_fields):
                pending.put({name: event.key[name] for name in trigger.key_fields})
    except EventSourceError as error:
        logger.warning("subscription %s: %s", trigger.response_key, error.message)
        pending.close(error)
    except Exception:
        logger.exception("subscription %s: the event source failed", trigger.response_key)
        pending.close(EventSourceError("The event source failed."))
    else:
        pending.close(None)
