"""An event source's events -> results: the present state, then newer ones; only the newest for a slow consumer."""

import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.execute import finish
from botberi_gateway.executor.interpreter import run
from botberi_gateway.executor.result import ExecutionResult, SharedResult
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.statistics import ExecutorKind, ExecutorMismatch
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.plan import EventTrigger
from botberi_gateway.subscriptions.delivery import EntityKey, Moved, Versions, WrongCursor, fingerprint_of
from botberi_gateway.subscriptions.listening import FINAL_CODES, Listening, Refused, wrong_cursor
from botberi_gateway.subscriptions.live import Live, Stage

logger = logging.getLogger(__name__)

NOT_FOUND: Final = "NOT_FOUND"
#: The order of the event's own layer: before every fetch.
_EVENT: Final = -1


@dataclass(slots=True)
class Resolved:
    """An entity's state when it was fetched. `failed` says that its state is unknown, because fetches failed."""

    make: Callable[[], ExecutionResult]
    version: Any
    is_last: bool
    is_unknown: bool
    failed: bool
    #: After it a client can resume; None where it can't.
    event_id: str | None
    _result: SharedResult | None = None

    def result(self) -> ExecutionResult:
        """The result, made once for all subscriptions that share it."""
        if self._result is None:
            self._result = SharedResult.of(self.make(), self.event_id)
        return self._result


async def entity_results(live: Live) -> AsyncGenerator[ExecutionResult, None]:
    """The subscription's results.

    Raises `EventSourceError` when the source stays lost, `GatewayError` when a new supergraph has no such subscription.
    """
    listening = Listening(live)
    try:
        await listening.begin()
    except Refused as refused:
        yield ExecutionResult(None, (refused.entry,))
        return
    try:
        single_flight, single_entity = live.stage.subscriber.single_flight, listening.single_entity
        versions, failures = Versions(listening.cursor() if single_entity else None), 0
        while (news := await listening.next()) is not None:
            if isinstance(news, Moved):
                continue
            key, since = news
            trigger = listening.trigger
            work = partial(resolve, live.stage, trigger, key, single_entity=single_entity)
            resolved: Resolved = await single_flight.ask(fingerprint_of(key), since, work)
            if resolved.is_unknown:
                if single_entity:
                    yield not_found(live.stage, trigger, f"There is no such {trigger.type_name}.")
                    return
                logger.debug("subscription %s: its subgraph doesn't know the entity of an event", trigger.response_key)
                continue
            if resolved.failed:
                # Reported once, then fetched again until it is known: the missed change may have been the last.
                failures += 1
                listening.again(key, failures)
                if failures == 1:
                    yield resolved.result()
                if single_entity and any(entry.code in FINAL_CODES for entry in resolved.result().errors):
                    return
                continue
            failures = 0
            try:
                rises = versions.rises(key, resolved.version)
            except WrongCursor:
                yield ExecutionResult(None, (wrong_cursor(trigger),))
                return
            if rises:
                yield resolved.result()
            if resolved.is_last:
                return
            # A waiting subscription keeps no result: thousands wait at the same time.
            del resolved, work
    finally:
        await listening.end()


async def resolve(stage: Stage, trigger: EventTrigger, key: EntityKey, *, single_entity: bool) -> Resolved:
    """Fetch the entity from the subgraphs, under the subscriber's own identity.

    `single_entity`: all events of the subscription are about this entity, so that a client can resume by its version.
    """
    entity_data = {"__typename": trigger.type_name}
    entity_data |= {source: key[name] for name, sources in trigger.key_sources for source in sources}
    async with stage.subscriber.events.slots:
        make, entity = await _asked(stage, trigger.response_key, entity_data)
    version = entity.value(trigger.version_key) if trigger.version_key else None
    is_unknown = _is_unknown(entity, trigger)
    failed = not is_unknown and any(gap.failure is not None for gap in entity.missing_data)
    if trigger.version_key is not None:
        failed = failed and not isinstance(version, int | float | str)
    else:
        failed = failed and len(entity.layers) == 1
    is_last = trigger.until_key is not None and entity.value(trigger.until_key) is True
    has_id = single_entity and isinstance(version, int | float | str) and not isinstance(version, bool)
    return Resolved(make, version, is_last, is_unknown, failed, str(version) if has_id else None)


async def _asked(
    stage: Stage, key: str, entity_data: dict[str, Any]
) -> tuple[Callable[[], ExecutionResult], ObjectView]:
    """How to make the result, and the entity: by compiled code, or by the interpreter where that bails out."""
    runtime, execution, result = stage.runtime, stage.execution(), None
    if stage.compiled is not None and runtime.environment.executor is not ExecutorKind.INTERPRETED:
        outcome = await stage.compiled.state(key, entity_data, stage.variables, runtime)
        if outcome is not None:
            flight, result, known = outcome
            if result is not None and known is not None and runtime.environment.executor is not ExecutorKind.BOTH:
                return partial(_same, result), known
            execution.answered, execution.deadline = flight, flight.deadline
    _begin(execution, {key: entity_data})
    await run(stage.node.rest, execution, frozenset((_EVENT,)))
    entity: ObjectView = execution.joined.view().child(key)
    if result is None:
        return partial(finish, execution), entity
    reference = finish(execution)
    if result.to_bytes() != reference.to_bytes():
        raise ExecutorMismatch(result.to_bytes(), reference.to_bytes())
    return partial(_same, reference), entity


def _begin(execution: Execution, event: dict[str, Any]) -> None:
    execution.joined.put(_EVENT, [(execution.joined.view(), event)])


def _same(result: ExecutionResult) -> ExecutionResult:
    return result


def _is_unknown(entity: ObjectView, trigger: EventTrigger) -> bool:
    """It doesn't exist, or the caller may not see it.

    The subgraph that has its version decides that; without a version all subgraphs must agree, as some give an object
    for any key.
    """
    nulls = [gap for gap in entity.missing_data if gap.failure is None]
    if trigger.version_key is not None:
        return any(gap.covers([trigger.version_key]) for gap in nulls)
    return bool(nulls) and len(nulls) == len(entity.missing_data) and len(entity.layers) == 1


def not_found(stage: Stage, trigger: EventTrigger, message: str) -> ExecutionResult:
    """The result for an entity or feed that doesn't exist, or that the caller may not see (any more)."""
    execution = stage.execution()
    _begin(execution, {trigger.response_key: None})
    execution.errors.add(_EVENT, ErrorEntry(message, NOT_FOUND, (trigger.response_key,)))
    return finish(execution)
