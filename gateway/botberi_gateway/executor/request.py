"""The joined view and a `Fetch` -> its request, sent; an answer of any shape, or why there is none."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from botberi_gateway import errors
from botberi_gateway.codec import encode
from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.collect import objects_at
from botberi_gateway.executor.contexts import context_values, copied_operation, copy_suffixes, without_context
from botberi_gateway.executor.failure import FetchFailure, MissingData
from botberi_gateway.executor.missing_data import why_left_out
from botberi_gateway.executor.representations import represent
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.plan import Entities, Fetch
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse

logger = logging.getLogger(__name__)

#: Objects that a fetch isn't asked about, and why.
LeftOut: TypeAlias = list[tuple[ObjectView, MissingData]]


@dataclass(slots=True)
class Batch:
    """The representations of an `_entities` field, each with the objects that it stands for.

    Objects with different values of contextual arguments (`values`) are in different batches; `suffix` is appended to
    the names of a batch's copy of the field.
    """

    entities: Entities
    representations: list[dict[str, Any]] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    views: list[list[ObjectView]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""
    index_of: dict[bytes, int] = field(default_factory=dict)

    @property
    def response_key(self) -> str:
        """Of the field in the operation that is sent."""
        return self.named(self.entities.response_key)

    def named(self, name: str) -> str:
        """A response key's or variable's name in the operation that is sent."""
        return name + self.suffix

    def variables(self) -> Iterator[tuple[str, Any]]:
        """The representations and what else is particular to this batch."""
        yield self.named(self.entities.variable), self.representations
        for name, value in self.values.items():
            yield self.named(name), value


def gather(fetch: Fetch, root: ObjectView, execution: Execution) -> tuple[list[Batch], str, LeftOut]:
    """The batches of a fetch, the operation for them, and the objects that are in no batch because of a failure.

    The operation is the plan's, unless entities differ in the values of their contexts.
    """
    left_out: LeftOut = []
    batches_of = [(entities, _batches(fetch, entities, root, execution, left_out)) for entities in fetch.entities]
    all_batches = [batch for _, batches in batches_of for batch in batches]
    contextual = [batches for entities, batches in batches_of if entities.contexts]
    if all(len(batches) == 1 for batches in contextual):
        return all_batches, fetch.operation, left_out
    suffixes = copy_suffixes(fetch, max(len(batches) for batches in contextual))
    for batches in contextual:
        for batch, suffix in zip(batches, suffixes, strict=False):
            batch.suffix = suffix
    operation = copied_operation(fetch, [suffixes[: len(batches)] for batches in contextual])
    return all_batches, operation, left_out


def _batches(
    fetch: Fetch, entities: Entities, root: ObjectView, execution: Execution, left_out: LeftOut
) -> list[Batch]:
    """Every object at the field's paths, equal representations once."""
    by_values: dict[bytes, Batch] = {}
    if not entities.contexts:
        by_values[b""] = Batch(entities)
    seen: set[int] = set()
    for path in entities.paths:
        for view in objects_at(root, path, execution.names):
            if id(view) in seen:
                continue
            seen.add(id(view))
            execution.spending.take_fields(1)
            representations = represent(view, entities.representations, execution.names)
            if representations is None:
                cause = why_left_out(view, entities.representations, execution.names)
                if cause is not None:
                    left_out.append((view, MissingData(fetch, entities.response_key, cause.failure)))
                continue
            batch = _batch_of(view, fetch, entities, by_values, execution)
            if isinstance(batch, FetchFailure):
                left_out.append((view, MissingData(fetch, entities.response_key, batch)))
                continue
            representation = representations[0]
            key = encode(representation)
            index = batch.index_of.get(key)
            if index is None:
                index = batch.index_of[key] = len(batch.representations)
                batch.representations.append(representation)
                batch.keys.append(key)
                batch.views.append([])
            batch.views[index].append(view)
    return list(by_values.values())


def _batch_of(
    view: ObjectView, fetch: Fetch, entities: Entities, by_values: dict[bytes, Batch], execution: Execution
) -> Batch | FetchFailure:
    """The batch of objects with the same contextual values; or why a value is missing."""
    if not entities.contexts:
        return by_values[b""]
    values = context_values(view, entities.contexts, execution.names)
    failure = without_context(view, fetch, entities, values)
    if failure is not None:
        logger.warning("fetch %s: no value of a context at %s", fetch.id, view.path())
        return failure
    cache_key = encode(values)
    batch = by_values.get(cache_key)
    if batch is None:
        batch = by_values[cache_key] = Batch(entities, values=values)
    return batch


async def send(
    fetch: Fetch, batches: Sequence[Batch], execution: Execution, operation: str | None = None
) -> SubgraphResponse | FetchFailure:
    """Send a request, within the subgraph's timeout and the operation's. Cancelling it cancels the request."""
    runtime = execution.runtime
    known = _known(fetch, batches, execution)
    client = runtime.environment.clients.get(fetch.subgraph)
    variables = {name: execution.variables[name] for name in fetch.variables if name in execution.variables}
    for batch in batches:
        variables.update(batch.variables())
    timeout = min(runtime.environment.timeout_for(fetch.subgraph), execution.time_left())
    execution.spending.take_entities(sum(len(batch.representations) for batch in batches))
    first_run = execution.first_run
    if first_run is not None:
        first_run.begin()
    try:
        if known is not None:
            return await (await known).exactly()
        if client is None:
            message = f"Subgraph {fetch.subgraph!r} is not configured."
            raise SubgraphError(fetch.subgraph, message, code=errors.SUBGRAPH_UNREACHABLE)
        if timeout <= 0:
            raise TimeoutError
        async with asyncio.timeout(timeout):
            answer = await client.execute(
                SubgraphRequest(
                    operation=operation or fetch.operation,
                    variables=variables,
                    operation_name=fetch.operation_name,
                    kind=fetch.kind,
                    headers=runtime.headers(fetch.subgraph),
                    timeout=timeout,
                    spending=execution.spending,
                )
            )
    except ResponseTooLarge:
        raise
    except Exception as error:
        if first_run is not None:
            first_run.keep(fetch, [batch.representations for batch in batches], error)
        return failed_request(fetch, error)
    finally:
        if first_run is not None:
            first_run.end()
    if first_run is not None:
        first_run.keep(fetch, [batch.representations for batch in batches], answer)
    if runtime.response_headers is not None:
        runtime.response_headers.extend((fetch.subgraph, name, value) for name, value in answer.headers)
    return answer


def _known(fetch: Fetch, batches: Sequence[Batch], execution: Execution) -> "asyncio.Future[SubgraphResponse] | None":
    """The answer that compiled code got to the same request before it bailed out."""
    answered = execution.answered
    return None if answered is None else answered.answer_to(fetch, [batch.representations for batch in batches])


def failed_request(fetch: Fetch, error: Exception) -> FetchFailure:
    """Why a request gave no answer: the subgraph's fault, a timeout, or a fault of the client."""
    if isinstance(error, SubgraphError):
        return failure_of(error)
    if isinstance(error, TimeoutError):
        message = f"Subgraph {fetch.subgraph!r} did not answer in time."
        return failure_of(SubgraphError(fetch.subgraph, message, code=errors.SUBGRAPH_TIMEOUT))
    logger.error("fetch %s: the client of subgraph %s failed", fetch.id, fetch.subgraph, exc_info=error)
    message = f"The request to subgraph {fetch.subgraph!r} failed."
    return failure_of(SubgraphError(fetch.subgraph, message, code=errors.INTERNAL_SERVER_ERROR))


def failure_of(error: SubgraphError) -> FetchFailure:
    """The failure of a subgraph that gave no usable answer; writes a log line."""
    logger.warning("subgraph %s: %s: %s", error.subgraph, error.code, error.message)
    extensions: dict[str, Any] = {"service": error.subgraph}
    if error.status is not None:
        extensions["http"] = {"status": error.status}
    return FetchFailure(error.message, error.code, extensions)
