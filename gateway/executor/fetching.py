"""One `Fetch` of the plan, from start to end: gather, send, check, join into side tables and layers."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.executor.answers import (
    EntityErrors,
    checked_entity,
    entry_of,
    json_kind,
    no_data,
    path_of,
    sort_errors,
    suspicious,
)
from gateway.executor.collect import objects_at
from gateway.executor.errorlog import ResponsePath
from gateway.executor.failure import Failure, Gap
from gateway.executor.renames import renamed, renamed_path
from gateway.executor.request import Batch, gather, send
from gateway.executor.state import Execution
from gateway.executor.view import ObjectView
from gateway.plan import Fetch
from gateway.upstream.port import SubgraphResponse

logger = logging.getLogger(__name__)


async def run_fetch(fetch: Fetch, execution: Execution) -> None:
    """Never raises for a subgraph's fault: what went wrong is kept with the objects that lack data by it."""
    if fetch.only_if and not any(_holds(conditions, execution) for conditions in fetch.only_if):
        return
    if fetch.entities:
        execution.fetches.append(fetch)
        batches, operation = gather(fetch, execution)
        if not any(batch.representations for batch in batches):
            return
        outcome = await send(fetch, batches, execution, operation)
        if isinstance(outcome, Failure):
            for batch in batches:
                for view in (view for views in batch.views for view in views):
                    view.gaps.append(Gap(fetch, batch.entities.response_key, outcome))
            execution.failures.append((fetch.id, outcome, _place(batches)))
        else:
            _join_entities(fetch, batches, outcome, execution)
        return
    targets = list(objects_at(execution.root, fetch.path, execution.names))
    if targets:
        join_objects(fetch, targets, await send(fetch, (), execution), execution)


def _holds(conditions: Sequence[tuple[str, bool]], execution: Execution) -> bool:
    return all((execution.variables.get(variable) is True) is wanted for variable, wanted in conditions)


def _place(batches: Sequence[Batch]) -> ResponsePath | None:
    """Where to report what no field of the answer names: the first object that the fetch was for."""
    return next((views[0].path() for batch in batches for views in batch.views if views), None)


def join_objects(
    fetch: Fetch, targets: Sequence[ObjectView], answer: SubgraphResponse | Failure, execution: Execution
) -> None:
    """The answer of a fetch without representations becomes a layer of the root, or of objects that stand for a root type."""
    if isinstance(answer, SubgraphResponse):
        for error in answer.errors:
            path = path_of(error)
            if path:
                _report(error, fetch, targets, renamed_path(path, fetch.renames), execution)
            elif answer.data is not None:
                execution.errors.add(fetch.id, entry_of(error, fetch, targets[0].path() or None))
        if answer.data is not None:
            data = renamed(answer.data, fetch.renames, execution.names)
            for view in targets:
                view.add(fetch.id, data)
            return
        answer = no_data(fetch, answer.errors)
        logger.warning("fetch %s: %s: %s", fetch.id, answer.code, answer.message)
    for view in targets:
        view.gaps.append(Gap(fetch, None, answer))
    execution.failures.append((fetch.id, answer, targets[0].path() or None))


def _report(
    error: Mapping[str, Any], fetch: Fetch, views: Sequence[ObjectView], below: ResponsePath, execution: Execution
) -> None:
    """The error at each of these objects. Errors times places may be many: beyond the limit none is made."""
    for done, view in enumerate(views):
        if execution.errors.full:
            execution.errors.omitted += len(views) - done
            return
        execution.errors.add(fetch.id, entry_of(error, fetch, view.path() + below))


def _join_entities(fetch: Fetch, batches: Sequence[Batch], answer: SubgraphResponse, execution: Execution) -> None:
    by_entity, elsewhere = sort_errors(fetch, batches, answer.errors)
    if answer.data is not None:
        for error in elsewhere:
            execution.errors.add(fetch.id, entry_of(error, fetch, _place(batches)))
    for batch in batches:
        if not batch.representations:
            continue
        table = _side_table(fetch, batch, answer, by_entity, elsewhere, execution)
        for index, (key, views) in enumerate(zip(batch.keys, batch.views, strict=True)):
            for error, below in by_entity.get((batch.response_key, index), ()):
                if below:
                    _report(error, fetch, views, below, execution)
            _join(fetch, batch, table[key], views)


def _side_table(
    fetch: Fetch,
    batch: Batch,
    answer: SubgraphResponse,
    by_entity: Mapping[tuple[str, int], EntityErrors],
    elsewhere: Sequence[Mapping[str, Any]],
    execution: Execution,
) -> dict[bytes, Mapping[str, Any] | Failure | None]:
    """Representation (as JSON) -> the entity, None for one that the subgraph doesn't know, or why it can't be used."""
    response_key, count = batch.response_key, len(batch.representations)
    results: Any = None if answer.data is None else answer.data.get(response_key)
    whole: Failure | None = None
    if results is None:
        whole = no_data(fetch, elsewhere or answer.errors)
    elif not isinstance(results, list) or len(results) != count:
        got = f"{len(results)} entities" if isinstance(results, list) else f"a {json_kind(results)}"
        whole = suspicious(fetch, f"{got} for {count} representations")
    if whole is not None:
        logger.warning("fetch %s: %s: %s", fetch.id, whole.code, whole.message)
        execution.failures.append((fetch.id, whole, _place([batch])))
        return dict.fromkeys(batch.keys, whole)
    table: dict[bytes, Mapping[str, Any] | Failure | None] = {}
    unusable: list[Failure] = []
    for index, (key, representation) in enumerate(zip(batch.keys, batch.representations, strict=True)):
        own = by_entity.get((response_key, index), ())
        table[key] = checked = checked_entity(fetch, representation, results[index], own, execution)
        if isinstance(checked, Failure):
            unusable.append(checked)
            execution.failures.append((fetch.id, checked, batch.views[index][0].path()))
    if unusable:
        first = unusable[0]
        logger.warning("fetch %s: %d of %d entities: %s: %s", fetch.id, len(unusable), count, first.code, first.message)
    return table


def _join(
    fetch: Fetch,
    batch: Batch,
    entity: Mapping[str, Any] | Failure | None,
    views: Sequence[ObjectView],
) -> None:
    if entity is None or isinstance(entity, Failure):
        gap = Gap(fetch, batch.entities.response_key, entity)
        for view in views:
            view.gaps.append(gap)
    else:
        for view in views:
            view.add(fetch.id, entity)
