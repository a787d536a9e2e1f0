"""A feed and events that say when to read it -> results: every node once, in order, from the client's cursor on.

No rows wait in memory: a page is fetched when the consumer is ready for it. A slow consumer falls behind and loses
nothing.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.result import ExecutionResult, SharedResult
from botberi_gateway.plan import EventFeed, EventTrigger
from botberi_gateway.subscriptions.delivery import fingerprint_of
from botberi_gateway.subscriptions.eventsource import not_found
from botberi_gateway.subscriptions.listening import FEED, FINAL_CODES, Listening, Refused
from botberi_gateway.subscriptions.live import FeedPlan, Live, Stage

_NO_SUCH: Final = "There is nothing to follow."


@dataclass(frozen=True, slots=True)
class Page:
    """The rows after a cursor; `failure` if they couldn't be fetched; `rows` is None if there is no such feed."""

    rows: Sequence[ExecutionResult] | None
    end: str | None = None
    has_next: bool = False
    is_over: bool = False
    failure: ExecutionResult | None = None


async def feed_results(live: Live) -> AsyncGenerator[ExecutionResult, None]:
    """The subscription's results. Raises like `entity_results`."""
    listening = Listening(live)
    try:
        await listening.begin()
    except Refused as refused:
        yield ExecutionResult(None, (refused.entry,))
        return
    try:
        single_flight, cursor, failures = live.stage.subscriber.single_flight, listening.cursor(), 0
        while (news := await listening.next()) is not None:
            if not isinstance(news, tuple):
                continue
            since, has_next = news[1], True
            while has_next:
                work = partial(_page, live.stage, listening.trigger, cursor)
                page: Page = await single_flight.ask(fingerprint_of(cursor), since, work)
                if page.failure is not None:
                    # Reported once, then fetched again until it is known: no row is left out.
                    failures += 1
                    listening.again(FEED, failures)
                    if failures == 1:
                        yield page.failure
                    if any(entry.code in FINAL_CODES for entry in page.failure.errors):
                        return
                    break
                failures = 0
                if page.rows is None:
                    yield not_found(live.stage, listening.trigger, _NO_SUCH)
                    return
                for row in page.rows:
                    yield row
                    cursor = row.event_id
                    del row
                if page.end is not None:
                    cursor = page.end
                has_next = page.has_next and bool(page.rows)
            else:
                if page.is_over:
                    return
            # A waiting subscription keeps no result: thousands wait at the same time.
            del page, work
    finally:
        await listening.end()


async def _page(stage: Stage, trigger: EventTrigger, cursor: str | None) -> Page:
    feed, prepared = trigger.feed, stage.feed
    assert feed is not None
    assert prepared is not None
    variables = _variables(stage, prepared) | {feed.cursor: cursor}
    async with stage.subscriber.events.slots:
        result = await prepared.compiled.execute(variables, stage.runtime)
    connection: Any = result.data
    for key in feed.path:
        connection = connection.get(key) if isinstance(connection, Mapping) else None
    if not isinstance(connection, Mapping):
        if not result.errors:
            return Page(None)
        entries = tuple(replace(entry, path=(trigger.response_key,)) for entry in result.errors)
        failed = not_found(stage, trigger, _NO_SUCH)
        return Page((), failure=ExecutionResult(failed.data, entries))
    page_info = connection["pageInfo"]
    rows = _rows(trigger, feed, connection["edges"] or (), result.errors)
    is_over = _at(result.data, feed.until) is True
    return Page(rows, page_info["endCursor"], page_info["hasNextPage"] is True, is_over)


def _variables(stage: Stage, prepared: FeedPlan) -> dict[str, Any]:
    known = {definition.variable.name.value for definition in prepared.operation.variable_definitions}
    return {name: value for name, value in stage.variables.items() if name in known}


def _rows(
    trigger: EventTrigger, feed: EventFeed, edges: Sequence[Any], entries: Sequence[ErrorEntry]
) -> list[ExecutionResult]:
    """A result for each row, with its errors; errors that belong to no row stand at the first."""
    own: dict[int, list[ErrorEntry]] = {}
    start, first = (*feed.path, "edges"), next((i for i, edge in enumerate(edges) if edge is not None), 0)
    for entry in entries:
        path = tuple(entry.path or ())
        match path[len(start) :]:
            case (int(index), "node", *rest) if path[: len(start)] == start and edges[index] is not None:
                own.setdefault(index, []).append(replace(entry, path=(trigger.response_key, *rest)))
            case _:
                own.setdefault(first, []).append(replace(entry, path=(trigger.response_key,)))
    rows: list[ExecutionResult] = []
    for index, edge in enumerate(edges):
        if edge is not None:
            result = ExecutionResult({trigger.response_key: edge["node"]}, tuple(own.get(index, ())))
            rows.append(SharedResult.of(result, edge["cursor"]))
    return rows


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if path else None
