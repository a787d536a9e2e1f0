"""One `Fetch` of the plan, from start to end: gather, send, check, join into side tables and layers."""

import logging
from collections.abc import Sequence
from functools import partial

from gateway.executor.answers import Outcome, Sorted, entities_of, entry_of, no_data, report_at, report_root
from gateway.executor.collect import objects_at
from gateway.executor.errorlog import ResponsePath
from gateway.executor.failure import Failure, Gap
from gateway.executor.renames import renamed
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
            execution.failures.append((fetch.id, outcome, partial(_place, batches)))
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
        report_root(fetch, targets, answer, execution.errors)
        if answer.data is not None:
            data = renamed(answer.data, fetch.renames, execution.names)
            for view in targets:
                view.add(fetch.id, data)
            return
        answer = no_data(fetch, answer.errors)
        logger.warning("fetch %s: %s: %s", fetch.id, answer.code, answer.message)
    for view in targets:
        view.gaps.append(Gap(fetch, None, answer))
    execution.failures.append((fetch.id, answer, lambda: targets[0].path() or None))


def _join_entities(fetch: Fetch, batches: Sequence[Batch], answer: SubgraphResponse, execution: Execution) -> None:
    sizes = {batch.response_key: len(batch.representations) for batch in batches}
    reported = Sorted(fetch, sizes, answer.errors)
    if answer.data is not None:
        for error in reported.elsewhere:
            execution.errors.add(fetch.id, entry_of(error, fetch, _place(batches)))
    for batch in batches:
        if not batch.representations:
            continue
        # The side table: representation (as JSON) -> what became of it.
        outcomes, failures = entities_of(
            fetch, batch.response_key, batch.representations, answer, reported, execution.names
        )
        table = dict(zip(batch.keys, outcomes, strict=True))
        execution.failures += [(fetch.id, failure, batch.views[index][0].path) for failure, index in failures]
        for index, (key, views) in enumerate(zip(batch.keys, batch.views, strict=True)):
            for error, below in reported.by_entity.get((batch.response_key, index), ()):
                if below:
                    report_at(error, fetch, views, below, execution.errors)
            _join(fetch, batch, table[key], views)


def _join(fetch: Fetch, batch: Batch, entity: Outcome, views: Sequence[ObjectView]) -> None:
    if entity is None or isinstance(entity, Failure):
        gap = Gap(fetch, batch.entities.response_key, entity)
        for view in views:
            view.gaps.append(gap)
    else:
        for view in views:
            view.add(fetch.id, entity)
