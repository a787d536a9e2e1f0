"""What is wrong with a subgraph's answer, and its errors in the client's terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import is_abstract_type, is_object_type

from gateway import errors
from gateway.errors import ErrorEntry
from gateway.executor.errorlog import ResponsePath
from gateway.executor.failure import Failure
from gateway.executor.identity import contradicts
from gateway.executor.renames import renamed, renamed_path
from gateway.executor.request import Batch
from gateway.executor.state import Execution
from gateway.plan import Fetch

#: Errors that name an entity, with the rest of their path below it.
EntityErrors = Sequence[tuple[Mapping[str, Any], ResponsePath]]


def checked_entity(
    fetch: Fetch, representation: Mapping[str, Any], entity: Any, own: EntityErrors, execution: Execution
) -> Mapping[str, Any] | Failure | None:
    """The entity if it can be the one that was asked for, else why it isn't used; None where the subgraph doesn't know it."""
    if entity is None:
        if not own:
            return None
        whole = next((error for error, below in own if not below), None)
        entry = entry_of(whole or own[0][0], fetch, None)
        return Failure(entry.message, entry.code, entry.extensions, climbed=whole is None)
    if not isinstance(entity, dict):
        return suspicious(fetch, f"a {json_kind(entity)} as entity")
    found: Mapping[str, Any] = renamed(entity, fetch.renames, execution.names)
    asked, got = representation["__typename"], found.get("__typename")
    if isinstance(got, str) and got != asked and not _may_be(asked, got, execution):
        return suspicious(fetch, "an entity of another type than asked for")
    if contradicts(fetch, representation, found, execution.operation.schema):
        return suspicious(fetch, "another entity than asked for")
    return found


def _may_be(asked: str, got: str, execution: Execution) -> bool:
    schema = execution.operation.schema
    asked_type, got_type = schema.get_type(asked), schema.get_type(got)
    if is_object_type(asked_type) and is_object_type(got_type):
        return False
    if is_abstract_type(asked_type) and is_object_type(got_type):
        return schema.is_sub_type(asked_type, got_type)
    return True


def sort_errors(
    fetch: Fetch, batches: Sequence[Batch], reported: Sequence[Mapping[str, Any]]
) -> tuple[
    dict[tuple[str, int], list[tuple[Mapping[str, Any], ResponsePath]]],
    list[Mapping[str, Any]],
]:
    """Errors that name an entity, by entity with the rest of their path; and the others."""
    sizes = {batch.response_key: len(batch.representations) for batch in batches}
    by_entity: dict[tuple[str, int], list[tuple[Mapping[str, Any], ResponsePath]]] = {}
    elsewhere = []
    for error in reported:
        path = path_of(error)
        match path:
            case (str(key), int(index), *rest) if 0 <= index < sizes.get(key, 0):
                by_entity.setdefault((key, index), []).append((error, renamed_path(rest, fetch.renames)))
            case _:
                elsewhere.append(error)
    return by_entity, elsewhere


def path_of(error: Mapping[str, Any]) -> ResponsePath | None:
    """None where the error has no path of the right shape."""
    path = error.get("path")
    if not isinstance(path, list) or len(path) > 1000:
        return None
    if not all(isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)) for key in path):
        return None
    return tuple(path)


def entry_of(error: Mapping[str, Any], fetch: Fetch, path: ResponsePath | None) -> ErrorEntry:
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


def no_data(fetch: Fetch, reported: Sequence[Mapping[str, Any]]) -> Failure:
    """The answer has no data; its first error says why, if it has one."""
    if not reported:
        return suspicious(fetch, "no data")
    entry = entry_of(reported[0], fetch, None)
    return Failure(entry.message, entry.code, entry.extensions, climbed=bool(path_of(reported[0])))


def suspicious(fetch: Fetch, what: str) -> Failure:
    """An answer of a shape that it can't have: `what` completes "the subgraph answered …"."""
    message = f"Subgraph {fetch.subgraph!r} answered {what}."
    return Failure(message, errors.SUBGRAPH_INVALID_RESPONSE, {"service": fetch.subgraph})


def json_kind(value: Any) -> str:
    """What a JSON value is, for people."""
    for kind, name in ((bool, "boolean"), (str, "string"), (list, "list"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "number"
