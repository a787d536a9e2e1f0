"""A POST body, a GET query string or a socket's payload -> GraphQLRequest."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from botberi_gateway import errors
from botberi_gateway.codec import CodecError, decode
from botberi_gateway.engine import GraphQLRequest
from botberi_gateway.transport.problem import BATCHING_NOT_SUPPORTED, HttpProblem

#: Deeper variables have no use, and JSON writers refuse them at 254.
_MAX_DEPTH: Final = 128
_MAX_FIELDS: Final = 32


def from_body(body: bytes, *, batching: bool = False) -> GraphQLRequest | list[Any]:
    """The request in a POST body; with `batching` also the JSON of several. Raises `HttpProblem` (400)."""
    if not body.strip():
        raise HttpProblem(400, "The request has no body.")
    try:
        parsed = decode(body)
    except CodecError:
        raise HttpProblem(400, "The body is not valid JSON in UTF-8.") from None
    if isinstance(parsed, list):
        if batching:
            return parsed
        raise HttpProblem(400, "Batching is not supported: send one operation a request.", BATCHING_NOT_SUPPORTED)
    return from_json(parsed)


def from_query_string(query_string: bytes) -> GraphQLRequest:
    """The request in the query string of a GET. Raises `HttpProblem` (400)."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise HttpProblem(400, "The query string can't be decoded.") from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in ("query", "operationName", "variables", "extensions"):
            continue
        if name in fields:
            raise HttpProblem(400, f"The parameter {name!r} is given more than once.")
        fields[name] = value
    for name in ("variables", "extensions"):
        if name in fields:
            try:
                fields[name] = decode(fields[name].encode()) if fields[name] else None
            except CodecError:
                raise HttpProblem(400, f"The parameter {name!r} is not valid JSON.") from None
    if fields.get("operationName") == "":
        del fields["operationName"]
    return from_json(fields)


def from_json(parsed: Any) -> GraphQLRequest:
    """The request in a JSON object. Raises `HttpProblem` (400)."""
    if not isinstance(parsed, dict):
        raise HttpProblem(400, "The body is not a JSON object.")
    query = parsed.get("query")
    extensions = _map(parsed, "extensions")
    if query is None and "persistedQuery" in extensions:
        raise HttpProblem(400, "PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
    if not isinstance(query, str):
        raise HttpProblem(400, "The parameter 'query' is missing or no string.")
    operation_name = parsed.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise HttpProblem(400, "The parameter 'operationName' is no string.")
    variables = _map(parsed, "variables")
    if variables and _too_deep(variables):
        raise HttpProblem(400, f"The parameter 'variables' is nested deeper than {_MAX_DEPTH}.")
    return GraphQLRequest(query, operation_name, variables, extensions)


def last_event_id(request: GraphQLRequest, headers: Mapping[str, str] | None = None) -> str | None:
    """The event after which a subscription resumes: `Last-Event-ID`, or `extensions.lastEventId`.

    Raises `HttpProblem` (400).
    """
    header = (headers or {}).get("last-event-id")
    if header:
        return header
    event_id = request.extensions.get("lastEventId")
    if event_id is None or event_id == "":
        return None
    if isinstance(event_id, bool) or not isinstance(event_id, str | int):
        raise HttpProblem(400, "The extension 'lastEventId' is no string.", errors.BAD_USER_INPUT)
    return str(event_id)


def _map(parsed: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parsed.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise HttpProblem(400, f"The parameter {name!r} is not an object.")
    return value


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                below.extend(v for v in item.values() if type(v) in (dict, list))
            else:
                below.extend(v for v in item if type(v) in (dict, list))
        if not below:
            return False
        level = below
    return True
