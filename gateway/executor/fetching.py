"""One `Fetch` of the plan: representations from the joined view -> request -> answer, checked with suspicion -> side tables and layers."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import is_abstract_type, is_object_type

from gateway import errors
from gateway.errors import ErrorEntry, SubgraphError
from gateway.executor.collect import objects_at
from gateway.executor.failure import Failure, Gap
from gateway.executor.identity import contradicts
from gateway.executor.renames import renamed, renamed_path
from gateway.executor.representations import represent
from gateway.executor.state import Execution
from gateway.executor.view import ObjectView
from gateway.plan import Entities, Fetch
from gateway.upstream.codec import encode
from gateway.upstream.port import SubgraphRequest, SubgraphResponse

logger = logging.getLogger(__name__)
ResponsePath = tuple[str | int, ...]


@dataclass(slots=True)
class _Batch:
    """The representations of one `_entities` field, each with the objects that it stands for."""

    entities: Entities
    representations: list[dict[str, Any]] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    views: list[list[ObjectView]] = field(default_factory=list)


async def run_fetch(fetch: Fetch, execution: Execution) -> None:
    """Never raises for a subgraph's fault: what went wrong is kept with the objects that lack data by it."""
    if fetch.only_if and not any(_holds(conditions, execution) for conditions in fetch.only_if):
        return
    if fetch.entities:
        batches = [_gather(entities, execution) for entities in fetch.entities]
        if not any(batch.representations for batch in batches):
            return
        outcome = await _call(fetch, batches, execution)
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
        join_objects(fetch, targets, await _call(fetch, (), execution), execution)


def _holds(conditions: Sequence[tuple[str, bool]], execution: Execution) -> bool:
    return all((execution.variables.get(variable) is True) is wanted for variable, wanted in conditions)


def _gather(entities: Entities, execution: Execution) -> _Batch:
    batch = _Batch(entities)
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


async def _call(fetch: Fetch, batches: Sequence[_Batch], execution: Execution) -> SubgraphResponse | Failure:
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


def _place(batches: Sequence[_Batch]) -> ResponsePath | None:
    """Where to report what no field of the answer names: the first object that the fetch was for."""
    return next((views[0].path() for batch in batches for views in batch.views if views), None)


def join_objects(
    fetch: Fetch, targets: Sequence[ObjectView], answer: SubgraphResponse | Failure, execution: Execution
) -> None:
    """The answer of a fetch without representations becomes a layer of the root, or of objects that stand for a root type."""
    if isinstance(answer, SubgraphResponse):
        for error in answer.errors:
            path = _path_of(error)
            if path:
                _report(error, fetch, targets, renamed_path(path, fetch.renames), execution)
            elif answer.data is not None:
                execution.errors.add(fetch.id, _entry(error, fetch, targets[0].path() or None))
        if answer.data is not None:
            data = renamed(answer.data, fetch.renames, execution.names)
            for view in targets:
                view.add(fetch.id, data)
            return
        answer = _no_data(fetch, answer.errors)
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
        execution.errors.add(fetch.id, _entry(error, fetch, view.path() + below))


def _join_entities(fetch: Fetch, batches: Sequence[_Batch], answer: SubgraphResponse, execution: Execution) -> None:
    by_entity, elsewhere = _sort_errors(fetch, batches, answer.errors)
    if answer.data is not None:
        for error in elsewhere:
            execution.errors.add(fetch.id, _entry(error, fetch, _place(batches)))
    for batch in batches:
        response_key = batch.entities.response_key
        results = None if answer.data is None else answer.data.get(response_key)
        count = len(batch.representations)
        if not count:
            continue
        whole: Failure | None = None
        if results is None:
            whole = _no_data(fetch, elsewhere or answer.errors)
        elif not isinstance(results, list) or len(results) != count:
            got = f"{len(results)} entities" if isinstance(results, list) else f"a {_json_kind(results)}"
            whole = _suspicious(fetch, f"{got} for {count} representations")
        if whole is not None:
            execution.failures.append((fetch.id, whole, _place([batch])))
        table = execution.tables.setdefault((fetch.id, response_key), {})
        for index, representation in enumerate(batch.representations):
            own = by_entity.get((response_key, index), [])
            entity = None if whole is not None or results is None else results[index]
            failure = whole
            if whole is None:
                entity, failure = _checked(fetch, representation, entity, own, execution)
            table[batch.keys[index]] = entity
            for error, rest in own:
                if rest:
                    _report(error, fetch, batch.views[index], rest, execution)
            for view in batch.views[index]:
                if entity is None:
                    view.gaps.append(Gap(fetch, response_key, failure))
                else:
                    view.add(fetch.id, entity)
            if failure is not None and whole is None and batch.views[index]:
                execution.failures.append((fetch.id, failure, batch.views[index][0].path()))


def _checked(
    fetch: Fetch,
    representation: Mapping[str, Any],
    entity: Any,
    own: Sequence[tuple[Mapping[str, Any], ResponsePath]],
    execution: Execution,
) -> tuple[Mapping[str, Any] | None, Failure | None]:
    """The entity if it can be the one that was asked for, else why it isn't used."""
    if entity is None:
        if not own:
            return None, None
        whole = next((error for error, rest in own if not rest), None)
        entry = _entry(whole or own[0][0], fetch, None)
        return None, Failure(entry.message, entry.code, entry.extensions, climbed=whole is None)
    if not isinstance(entity, dict):
        return None, _suspicious(fetch, f"a {_json_kind(entity)} as entity")
    entity = renamed(entity, fetch.renames, execution.names)
    asked, got = representation["__typename"], entity.get("__typename")
    if isinstance(got, str) and got != asked and not _may_be(asked, got, execution):
        return None, _suspicious(fetch, "an entity of another type than asked for")
    if contradicts(fetch, representation, entity, execution.operation.schema):
        return None, _suspicious(fetch, "another entity than asked for")
    return entity, None


def _may_be(asked: str, got: str, execution: Execution) -> bool:
    schema = execution.operation.schema
    asked_type, got_type = schema.get_type(asked), schema.get_type(got)
    if is_object_type(asked_type) and is_object_type(got_type):
        return False
    if is_abstract_type(asked_type) and is_object_type(got_type):
        return schema.is_sub_type(asked_type, got_type)
    return True


def _sort_errors(
    fetch: Fetch, batches: Sequence[_Batch], reported: Sequence[Mapping[str, Any]]
) -> tuple[
    dict[tuple[str, int], list[tuple[Mapping[str, Any], ResponsePath]]],
    list[Mapping[str, Any]],
]:
    """Errors that name an entity, by entity with the rest of their path; and the others."""
    sizes = {batch.entities.response_key: len(batch.representations) for batch in batches}
    by_entity: dict[tuple[str, int], list[tuple[Mapping[str, Any], ResponsePath]]] = {}
    elsewhere = []
    for error in reported:
        path = _path_of(error)
        match path:
            case (str(key), int(index), *rest) if 0 <= index < sizes.get(key, 0):
                by_entity.setdefault((key, index), []).append((error, renamed_path(rest, fetch.renames)))
            case _:
                elsewhere.append(error)
    return by_entity, elsewhere


def _path_of(error: Mapping[str, Any]) -> ResponsePath | None:
    path = error.get("path")
    if not isinstance(path, list) or len(path) > 1000:
        return None
    if not all(isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)) for key in path):
        return None
    return tuple(path)


def _entry(error: Mapping[str, Any], fetch: Fetch, path: ResponsePath | None) -> ErrorEntry:
    """A subgraph's error in the client's terms: its code and extensions stay, its locations mean nothing to the client."""
    given = error.get("extensions")
    extensions = dict(given) if isinstance(given, Mapping) else {}
    code = extensions.pop("code", None)
    extensions["service"] = fetch.subgraph
    message = error.get("message")
    return ErrorEntry(
        message if isinstance(message, str) else "The subgraph reported an error without a message.",
        code if isinstance(code, str) else errors.DOWNSTREAM_SERVICE_ERROR,
        path,
        extensions=extensions,
    )


def _no_data(fetch: Fetch, reported: Sequence[Mapping[str, Any]]) -> Failure:
    if not reported:
        return _suspicious(fetch, "no data")
    entry = _entry(reported[0], fetch, None)
    return Failure(entry.message, entry.code, entry.extensions, climbed=bool(_path_of(reported[0])))


def _suspicious(fetch: Fetch, what: str) -> Failure:
    message = f"Subgraph {fetch.subgraph!r} answered {what}."
    return failure_of(SubgraphError(fetch.subgraph, message, code=errors.SUBGRAPH_INVALID_RESPONSE))


def _json_kind(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (str, "string"), (list, "list"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "number"
