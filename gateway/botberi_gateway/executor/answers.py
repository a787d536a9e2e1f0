"""What is wrong with a subgraph's answer, and its errors in the client's terms."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from graphql import is_abstract_type, is_object_type

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.errorlog import ErrorLog, ReportedExtensions, ResponsePath
from botberi_gateway.executor.failure import FetchFailure
from botberi_gateway.executor.identity import contradicts
from botberi_gateway.executor.renames import renamed, renamed_path
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.plan import Fetch
from botberi_gateway.upstream.port import SubgraphResponse

logger = logging.getLogger(__name__)

#: Errors that name an entity, with the rest of their path below it.
EntityErrors: TypeAlias = Sequence[tuple[Mapping[str, Any], ResponsePath]]
#: An entity, why it can't be used, or None where the subgraph doesn't know it.
Outcome: TypeAlias = Mapping[str, Any] | FetchFailure | None


class Sorted:
    """The errors of an answer to `_entities`: by (response key, index) those that name an entity, and the others."""

    def __init__(self, fetch: Fetch, sizes: Mapping[str, int], reported: Sequence[Mapping[str, Any]]) -> None:
        by_entity: dict[tuple[str, int], list[tuple[Mapping[str, Any], ResponsePath]]] = {}
        self.by_entity: Mapping[tuple[str, int], EntityErrors] = by_entity
        self.elsewhere: list[Mapping[str, Any]] = []
        for error in reported:
            match path_of(error):
                case (str(key), int(index), *rest) if 0 <= index < sizes.get(key, 0):
                    by_entity.setdefault((key, index), []).append((error, renamed_path(rest, fetch.renames)))
                case _:
                    self.elsewhere.append(error)


def entities_of(
    fetch: Fetch,
    response_key: str,
    representations: Sequence[Mapping[str, Any]],
    answer: SubgraphResponse,
    reported: Sorted,
    names: TypeNames,
) -> tuple[list[Outcome], list[tuple[FetchFailure, int]]]:
    """What each representation of an `_entities` field gave.

    Also the failures, each with the index of the first representation that it concerns.
    """
    count = len(representations)
    results: Any = None if answer.data is None else answer.data.get(response_key)
    whole: FetchFailure | None = None
    if results is None:
        whole = no_data(fetch, reported.elsewhere or answer.errors)
    elif not isinstance(results, list) or len(results) != count:
        got = f"{len(results)} entities" if isinstance(results, list) else f"a {json_kind(results)}"
        whole = suspicious(fetch, f"{got} for {count} representations")
    if whole is not None:
        logger.warning("fetch %s: %s: %s", fetch.id, whole.code, whole.message)
        return [whole] * count, [(whole, 0)]
    outcomes: list[Outcome] = []
    unusable: list[tuple[FetchFailure, int]] = []
    for index, (representation, entity) in enumerate(zip(representations, results, strict=True)):
        own = reported.by_entity.get((response_key, index), ())
        outcome = _checked(fetch, representation, entity, own, names)
        outcomes.append(outcome)
        if isinstance(outcome, FetchFailure):
            unusable.append((outcome, index))
    if unusable:
        first = unusable[0][0]
        logger.warning("fetch %s: %d of %d entities: %s: %s", fetch.id, len(unusable), count, first.code, first.message)
    return outcomes, unusable


def _checked(
    fetch: Fetch, representation: Mapping[str, Any], entity: Any, own: EntityErrors, names: TypeNames
) -> Outcome:
    """The entity if it matches its representation, else why it isn't used; None if the subgraph doesn't know it."""
    if entity is None:
        if not own:
            return None
        whole = next((error for error, below in own if not below), None)
        entry = entry_of(whole or own[0][0], fetch, None)
        return FetchFailure(entry.message, entry.code, entry.extensions, propagated=whole is None)
    if not isinstance(entity, dict):
        return suspicious(fetch, f"a {json_kind(entity)} as entity")
    fields: Mapping[str, Any] = renamed(entity, fetch.renames, names)
    asked, got = representation["__typename"], fields.get("__typename")
    if isinstance(got, str) and got != asked and not _may_be(asked, got, names):
        return suspicious(fetch, "an entity of another type than asked for")
    if contradicts(fetch, representation, fields, names.schema):
        return suspicious(fetch, "another entity than asked for")
    return fields


def _may_be(asked: str, got: str, names: TypeNames) -> bool:
    schema = names.schema
    asked_type, got_type = schema.get_type(asked), schema.get_type(got)
    if is_object_type(asked_type) and is_object_type(got_type):
        return False
    if is_abstract_type(asked_type) and is_object_type(got_type):
        return schema.is_sub_type(asked_type, got_type)
    return True


def path_of(error: Mapping[str, Any]) -> ResponsePath | None:
    """None where the error has no path of the right shape."""
    path = error.get("path")
    if not isinstance(path, list) or len(path) > 1000:
        return None
    if not all(isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)) for key in path):
        return None
    return tuple(path)


def entry_of(error: Mapping[str, Any], fetch: Fetch, path: ResponsePath | None) -> ErrorEntry:
    """A subgraph's error in the client's terms: message and code stay, extensions as the log that it goes to allows.

    Its locations mean nothing to the client.
    """
    reported = error.get("extensions")
    extensions = dict(reported) if isinstance(reported, Mapping) else {}
    code = extensions.pop("code", None)
    message = error.get("message")
    return ErrorEntry(
        message if isinstance(message, str) else "The subgraph reported an error without a message.",
        code if isinstance(code, str) else errors.DOWNSTREAM_SERVICE_ERROR,
        path,
        extensions=ReportedExtensions(fetch.subgraph, extensions),
    )


def report_root(fetch: Fetch, targets: Sequence[ObjectView], answer: SubgraphResponse, log: ErrorLog) -> None:
    """The errors of an answer without entities, at each of the objects that it is for."""
    for error in answer.errors:
        path = path_of(error)
        if path:
            report_at(error, fetch, targets, renamed_path(path, fetch.renames), log)
        elif answer.data is not None:
            log.add(fetch.id, entry_of(error, fetch, (targets[0].path() or None) if targets else None))


def report_at(
    error: Mapping[str, Any], fetch: Fetch, views: Sequence[ObjectView], below: ResponsePath, log: ErrorLog
) -> None:
    """Report the error below each of these objects; beyond the log's limit they are only counted."""
    for done, view in enumerate(views):
        if log.full:
            log.omitted += len(views) - done
            return
        log.add(fetch.id, entry_of(error, fetch, view.path() + below))


def no_data(fetch: Fetch, reported: Sequence[Mapping[str, Any]]) -> FetchFailure:
    """The answer has no data; its first error says why, if it has one."""
    if not reported:
        return suspicious(fetch, "no data")
    entry = entry_of(reported[0], fetch, None)
    return FetchFailure(entry.message, entry.code, entry.extensions, propagated=bool(path_of(reported[0])))


def suspicious(fetch: Fetch, what: str) -> FetchFailure:
    """An answer of a shape that it can't have: `what` completes "the subgraph answered …"."""
    message = f"Subgraph {fetch.subgraph!r} answered {what}."
    return FetchFailure(message, errors.SUBGRAPH_INVALID_RESPONSE, {"service": fetch.subgraph})


def json_kind(value: Any) -> str:
    """The kind of a JSON value, for messages."""
    for kind, name in ((bool, "boolean"), (str, "string"), (list, "list"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "number"
