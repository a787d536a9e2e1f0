"""The joined view and a `Fetch` -> its request, sent; an answer of any shape, or why there is none."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway import errors
from gateway.errors import SubgraphError
from gateway.executor.collect import objects_at
from gateway.executor.failure import Failure
from gateway.executor.representations import represent
from gateway.executor.state import Execution
from gateway.executor.view import ObjectView
from gateway.plan import Entities, Fetch
from gateway.upstream.codec import encode
from gateway.upstream.port import SubgraphRequest, SubgraphResponse

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Batch:
    """The representations of one `_entities` field, each with the objects that it stands for."""

    entities: Entities
    representations: list[dict[str, Any]] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    views: list[list[ObjectView]] = field(default_factory=list)


def gather(entities: Entities, execution: Execution) -> Batch:
    """Every object at the field's paths, equal representations once."""
    batch = Batch(entities)
    index_of: dict[bytes, int] = {}
    seen: set[int] = set()
    for path in entities.paths:
        for view in objects_at(execution.root, path, execution.names):
            if id(view) in seen:
                continue
            seen.add(id(view))
            made = represent(view, entities.representations, execution.names)
            if made is None:
                continue
            representation = made[0]
            key = encode(representation)
            index = index_of.get(key)
            if index is None:
                index = index_of[key] = len(batch.representations)
                batch.representations.append(representation)
                batch.keys.append(key)
                batch.views.append([])
            batch.views[index].append(view)
    return batch


async def send(fetch: Fetch, batches: Sequence[Batch], execution: Execution) -> SubgraphResponse | Failure:
    """Within the subgraph's time and the operation's; cancelling it cancels the request."""
    runtime = execution.runtime
    client = runtime.clients.get(fetch.subgraph)
    if client is None:
        return failure_of(
            SubgraphError(
                fetch.subgraph, f"Subgraph {fetch.subgraph!r} is not configured.", code=errors.SUBGRAPH_UNREACHABLE
            )
        )
    variables = {name: execution.variables[name] for name in fetch.variables if name in execution.variables}
    for batch in batches:
        variables[batch.entities.variable] = batch.representations
    timeout = min(runtime.timeout_for(fetch.subgraph), execution.time_left())
    try:
        if timeout <= 0:
            raise TimeoutError
        async with asyncio.timeout(timeout):
            answer = await client.execute(
                SubgraphRequest(
                    operation=fetch.operation,
                    variables=variables,
                    operation_name=fetch.operation_name,
                    kind=fetch.kind,
                    headers=runtime.headers(fetch.subgraph),
                    timeout=timeout,
                )
            )
    except SubgraphError as error:
        return failure_of(error)
    except TimeoutError:
        message = f"Subgraph {fetch.subgraph!r} did not answer in time."
        return failure_of(SubgraphError(fetch.subgraph, message, code=errors.SUBGRAPH_TIMEOUT))
    except Exception:
        logger.exception("fetch %s: the client of subgraph %s failed", fetch.id, fetch.subgraph)
        message = f"The request to subgraph {fetch.subgraph!r} failed."
        return failure_of(SubgraphError(fetch.subgraph, message, code=errors.INTERNAL_SERVER_ERROR))
    if runtime.response_headers is not None:
        runtime.response_headers.extend((fetch.subgraph, name, value) for name, value in answer.headers)
    return answer


def failure_of(error: SubgraphError) -> Failure:
    """A subgraph that gave no usable answer; one log line each."""
    logger.warning("subgraph %s: %s: %s", error.subgraph, error.code, error.message)
    extensions: dict[str, Any] = {"service": error.subgraph}
    if error.status is not None:
        extensions["http"] = {"status": error.status}
    return Failure(error.message, error.code, extensions)
