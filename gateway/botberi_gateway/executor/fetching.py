"""One `Fetch` of the plan, from start to end: gather, send, check, join into side tables and layers."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

from botberi_gateway.executor.answers import Outcome, Sorted, entities_of, entry_of, no_data, report_at, report_root
from botberi_gateway.executor.collect import objects_at
from botberi_gateway.executor.errorlog import ErrorLog, ResponsePath
from botberi_gateway.executor.failure import FetchFailure, MissingData
from botberi_gateway.executor.joined import Contribution
from botberi_gateway.executor.renames import renamed
from botberi_gateway.executor.request import Batch, gather, send
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.plan import Fetch
from botberi_gateway.upstream.port import SubgraphResponse

logger = logging.getLogger(__name__)

#: What a fetch gave to objects.
_Contributions: TypeAlias = Iterator[tuple[ObjectView, Contribution]]


def is_needed(fetch: Fetch, execution: Execution) -> bool:
    """Whether the fetch's conditions hold."""
    return not fetch.only_if or any(_holds(conditions, execution) for conditions in fetch.only_if)


def _holds(conditions: Sequence[tuple[str, bool]], execution: Execution) -> bool:
    return all((execution.variables.get(variable) is True) is value for variable, value in conditions)


async def run_fetch(fetch: Fetch, execution: Execution, ended: frozenset[int]) -> None:
    """Run a fetch over the data of the fetches in `ended`.

    A subgraph's fault doesn't raise; it is kept with the objects that lack data by it.
    """
    root = execution.joined.view(ended)
    if not fetch.entities:
        targets = list(objects_at(root, fetch.path, execution.names))
        if targets:
            join_objects(fetch, targets, await send(fetch, (), execution), execution)
        return
    if execution.first_run is not None:
        await execution.first_run.check()
    execution.fetches.append(fetch)
    batches, operation, left_out = gather(fetch, root, execution)
    contributions: list[tuple[ObjectView, Contribution]] = [*left_out]
    if any(batch.representations for batch in batches):
        answer = await send(fetch, batches, execution, operation)
        if isinstance(answer, FetchFailure):
            for batch in batches:
                gap = MissingData(fetch, batch.entities.response_key, answer)
                contributions += ((view, gap) for views in batch.views for view in views)
            execution.failures.append((fetch.id, answer, partial(_place, batches, execution)))
        else:
            contributions += _entities(fetch, batches, answer, execution)
    execution.joined.put(fetch.id, contributions)


def _place(batches: Sequence[Batch], execution: Execution) -> ResponsePath | None:
    """The path for an error of the fetch as a whole: the first object that the fetch was for."""
    return _first((view for batch in batches for views in batch.views for view in views), execution)


def _first(views: Iterable[ObjectView], execution: Execution) -> ResponsePath | None:
    """None for the root."""
    return next((view.path() for view in execution.shown(views)), None) or None


def join_objects(
    fetch: Fetch, targets: Sequence[ObjectView], answer: SubgraphResponse | FetchFailure, execution: Execution
) -> None:
    """Join the answer of a fetch without representations: to the root, or to objects that stand for a root type."""
    if isinstance(answer, SubgraphResponse):
        execution.reports[fetch.id] = partial(_report_root, fetch, targets, answer, execution)
        if answer.data is not None:
            data = renamed(answer.data, fetch.renames, execution.names)
            execution.joined.put(fetch.id, [(view, data) for view in targets])
            return
        answer = no_data(fetch, answer.errors)
        logger.warning("fetch %s: %s: %s", fetch.id, answer.code, answer.message)
    gap = MissingData(fetch, None, answer)
    execution.joined.put(fetch.id, [(view, gap) for view in targets])
    execution.failures.append((fetch.id, answer, partial(_first, targets, execution)))


def _report_root(
    fetch: Fetch, targets: Sequence[ObjectView], answer: SubgraphResponse, execution: Execution, log: ErrorLog
) -> None:
    report_root(fetch, [*execution.shown(targets)], answer, log)


def _entities(fetch: Fetch, batches: Sequence[Batch], answer: SubgraphResponse, execution: Execution) -> _Contributions:
    sizes = {batch.response_key: len(batch.representations) for batch in batches}
    reported = Sorted(fetch, sizes, answer.errors)
    execution.reports[fetch.id] = partial(_report, fetch, batches, answer, reported, execution)
    for batch in batches:
        if not batch.representations:
            continue
        # The side table: representation (as JSON) -> what became of it.
        outcomes, failures = entities_of(
            fetch, batch.response_key, batch.representations, answer, reported, execution.names
        )
        table = dict(zip(batch.keys, outcomes, strict=True))
        execution.failures += [
            (fetch.id, failure, partial(_first, batch.views[index], execution)) for failure, index in failures
        ]
        for key, views in zip(batch.keys, batch.views, strict=True):
            contribution = _contribution(fetch, batch, table[key])
            yield from ((view, contribution) for view in views)


def _contribution(fetch: Fetch, batch: Batch, entity: Outcome) -> Contribution:
    if entity is None or isinstance(entity, FetchFailure):
        return MissingData(fetch, batch.entities.response_key, entity)
    return entity


def _report(
    fetch: Fetch,
    batches: Sequence[Batch],
    answer: SubgraphResponse,
    reported: Sorted,
    execution: Execution,
    log: ErrorLog,
) -> None:
    """The errors that came with the entities. Those may be many, as may be the objects that an entity is for."""
    if answer.data is not None and reported.elsewhere:
        place = _place(batches, execution)
        for error in reported.elsewhere:
            log.add(fetch.id, entry_of(error, fetch, place))
    for batch in batches:
        for index, views in enumerate(batch.views):
            entity_errors = reported.by_entity.get((batch.response_key, index), ())
            shown = [*execution.shown(views)] if entity_errors else []
            for error, below in entity_errors:
                if below:
                    report_at(error, fetch, shown, below, log)
