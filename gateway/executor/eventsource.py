"""An event source's events -> results: the present state first, then each newer one; the newest alone when the consumer is slow."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Any, Final

from graphql import parse_value, value_from_ast_untyped

from gateway import errors
from gateway.errors import ErrorEntry, EventSourceError
from gateway.executor.execute import finish
from gateway.executor.interpreter import run
from gateway.executor.result import ExecutionResult
from gateway.executor.runtime import Runtime
from gateway.executor.selection import Selections
from gateway.executor.state import Execution
from gateway.executor.view import ObjectView
from gateway.operation import Operation
from gateway.plan import Condition, EventTrigger, Fetch, KeyField, Parallel, PlanNode, Sequence
from gateway.upstream.codec import encode
from gateway.upstream.events import EventSource, SourceEvent

logger = logging.getLogger(__name__)

NOT_FOUND: Final = "NOT_FOUND"
#: Versions are remembered of so many entities of one subscription; of those that were heard of longest ago they are forgotten.
_REMEMBERED_VERSIONS: Final = 10_000
#: The order of the event's own layer: before every fetch.
_EVENT: Final = -1

EntityKey = Mapping[str, Any]


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
    arguments = _arguments(trigger, variables)
    wanted = _conditions(trigger, arguments, runtime.subject)
    if isinstance(wanted, ErrorEntry):
        yield ExecutionResult(None, (wanted,))
        return
    about_one = trigger.snapshot or any(attribute in trigger.key_fields for attribute in wanted)
    versions = _Versions()
    sources = _key_sources(trigger, rest, operation, variables)
    async with _following(source, trigger, wanted, runtime.max_pending_events) as pending:
        if trigger.snapshot:
            pending.put_first({name: arguments.get(name) for name in trigger.key_fields})
        async for key in pending:
            execution = Execution(operation, variables, runtime)
            entity_data = {"__typename": trigger.type_name}
            entity_data |= {source: key[name] for name in trigger.key_fields for source in sources[name]}
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


def _key_sources(
    trigger: EventTrigger, rest: PlanNode | None, operation: Operation, variables: Mapping[str, Any]
) -> dict[str, set[str]]:
    """Key field -> the response keys that it is read from: the client's aliases for it, and what representations in the plan name.

    Its own name is not among them where the client gave that name to another field.
    """
    sources: dict[str, set[str]] = {name: set() for name in trigger.key_fields}
    for field_name, response_key in Selections(operation, variables).fields_below(trigger.response_key):
        if field_name in sources:
            sources[field_name].add(response_key)
    for fetch in _fetches(rest):
        for entities in fetch.entities:
            if (trigger.response_key,) not in entities.paths:
                continue
            for selection in (s for r in entities.representations for s in r.selections):
                if isinstance(selection, KeyField) and selection.name in sources:
                    sources[selection.name].add(selection.source)
    return {name: found or {name} for name, found in sources.items()}


def _fetches(node: PlanNode | None) -> Iterator[Fetch]:
    match node:
        case Fetch():
            yield node
        case Sequence(nodes) | Parallel(nodes):
            for child in nodes:
                yield from _fetches(child)
        case Condition(_, if_true, if_false):
            yield from _fetches(if_true)
            yield from _fetches(if_false)


def _arguments(trigger: EventTrigger, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The field's arguments with the client's variables; an absent variable is an absent argument."""
    arguments = {}
    for name, text in trigger.arguments:
        node = parse_value(text, no_location=True)
        if not text.startswith("$") or text[1:] in variables:
            arguments[name] = value_from_ast_untyped(node, dict(variables))
    return arguments


def _conditions(
    trigger: EventTrigger, arguments: Mapping[str, Any], subject: str | None
) -> dict[str, str] | ErrorEntry:
    """`where` as attribute -> the text it must equal. A condition that nothing can meet is an error, not a silent socket."""
    wanted: dict[str, str] = {}
    for condition in trigger.where:
        attribute, _, right = (part.strip() for part in condition.partition("="))
        if right == "@subject":
            if subject is None:
                message = f"{trigger.response_key} needs a signed-in caller."
                return ErrorEntry(message, errors.UNAUTHENTICATED, (trigger.response_key,))
            wanted[attribute] = subject
        elif right.startswith("$"):
            value = arguments.get(right[1:])
            if value is None:
                message = f"{trigger.response_key} needs the argument {right[1:]!r}."
                return ErrorEntry(message, errors.BAD_USER_INPUT, (trigger.response_key,))
            wanted[attribute] = str(value)
        else:
            message = f"The condition {condition!r} of {trigger.response_key} can't be understood."
            return ErrorEntry(message, errors.INVALID_SUPERGRAPH, (trigger.response_key,))
    return wanted


def _matches(event: SourceEvent, wanted: Mapping[str, str]) -> bool:
    return all(
        (value := event.attributes.get(attribute)) is not None and str(value) == text
        for attribute, text in wanted.items()
    )


class _Pending:
    """Entities with news, each once, in order of their first unheard news: a slow consumer finds the newest state and nothing in between."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._keys: OrderedDict[bytes, EntityKey] = OrderedDict()
        self._news = asyncio.Event()
        self._end: Exception | None = None
        self._ended = False

    def put(self, key: EntityKey) -> None:
        self._keys.setdefault(encode(key), key)
        if len(self._keys) > self._limit:
            self._keys.clear()
            self.close(EventSourceError(f"More than {self._limit} entities changed faster than the results were read."))
        self._news.set()

    def put_first(self, key: EntityKey) -> None:
        self.put(key)
        self._keys.move_to_end(encode(key), last=False)

    def close(self, error: Exception | None) -> None:
        if not self._ended:
            self._end, self._ended = error, True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[EntityKey]:
        while True:
            while self._keys:
                yield self._keys.popitem(last=False)[1]
            if self._ended:
                if self._end is not None:
                    raise self._end
                return
            self._news.clear()
            await self._news.wait()


@contextlib.asynccontextmanager
async def _following(
    source: EventSource, trigger: EventTrigger, wanted: Mapping[str, str], limit: int
) -> AsyncIterator[_Pending]:
    """Enter once the source follows the topics, so that no change after that is missed."""
    pending = _Pending(limit)
    async with source.follow(trigger.topics) as events:
        reader = asyncio.create_task(_read(events, trigger, wanted, pending))
        try:
            yield pending
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader


async def _read(
    events: AsyncIterator[SourceEvent], trigger: EventTrigger, wanted: Mapping[str, str], pending: _Pending
) -> None:
    try:
        async for event in events:
            if _matches(event, wanted) and all(name in event.key for name in trigger.key_fields):
                pending.put({name: event.key[name] for name in trigger.key_fields})
    except EventSourceError as error:
        logger.warning("subscription %s: %s", trigger.response_key, error.message)
        pending.close(error)
    except Exception:
        logger.exception("subscription %s: the event source failed", trigger.response_key)
        pending.close(EventSourceError("The event source failed."))
    else:
        pending.close(None)


class _Versions:
    """The newest version that was delivered, by entity."""

    def __init__(self) -> None:
        self._newest: OrderedDict[bytes, int | float | str] = OrderedDict()

    def rises(self, key: EntityKey, version: Any) -> bool:
        """Is it newer than what was delivered? What has no version always is. Remembers it."""
        if isinstance(version, bool) or not isinstance(version, int | float | str):
            return True
        mark = encode(key)
        newest = self._newest.get(mark)
        if newest is not None and isinstance(newest, str) == isinstance(version, str):
            if isinstance(version, str) or isinstance(newest, str):
                if _text_order(str(version)) <= _text_order(str(newest)):
                    return False
            elif version <= newest:
                return False
        self._newest[mark] = version
        self._newest.move_to_end(mark)
        if len(self._newest) > _REMEMBERED_VERSIONS:
            self._newest.popitem(last=False)
        return True


def _text_order(version: str) -> tuple[int, int, str]:
    """Big integers are often sent as strings: those are compared as numbers, other texts (such as UTC timestamps) as they are."""
    return (0, int(version), "") if version.isdecimal() and len(version) < 1000 else (1, 0, version)
