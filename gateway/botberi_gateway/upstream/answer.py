"""An HTTP answer of a subgraph (status, content type, bytes) -> `SubgraphResponse`, or `SubgraphError`."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from botberi_gateway import errors
from botberi_gateway.codec import CodecError, decode, decode_rounded, encode
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.port import Read, RefusedResponse, SubgraphRequest, SubgraphResponse

GRAPHQL_RESPONSE = "application/graphql-response+json"
#: The most objects and lists that an answer may have. Parsing isn't interrupted: 10 MiB of empty lists would stop the
#: event loop for 350 ms, as many as this for 50 ms. Brackets within strings count as well, as only a parser knows them
#: from others.
MAX_CONTAINERS: Final = 400_000
#: Below this many bytes, an answer can't take long to parse, and its objects aren't counted.
_MIN_COUNTED_BYTES: Final = 1024 * 1024
#: The most characters of a content type that is remembered.
_MAX_REMEMBERED_CHARACTERS = 200
ACCEPT = f"{GRAPHQL_RESPONSE}, application/json;q=0.9"
#: Headers that belong to the connection or to the body that a client writes; a request's own are not sent.
CLIENT_OWNED = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def invalid(subgraph: str, what: str) -> SubgraphError:
    """The error for an answer that can't be used; `what` completes "the subgraph answered …"."""
    message = f"Subgraph {subgraph!r} answered {what}."
    return SubgraphError(subgraph, message, code=errors.SUBGRAPH_INVALID_RESPONSE)


def request_body(subgraph: str, request: SubgraphRequest) -> bytes:
    """The JSON body of a GraphQL-over-HTTP request."""
    body: dict[str, Any] = {"query": request.operation}
    if request.operation_name is not None:
        body["operationName"] = request.operation_name
    if request.variables:
        body["variables"] = request.variables
    try:
        return encode(body)
    except CodecError as error:
        message = f"The variables for subgraph {subgraph!r} can't be written as JSON."
        raise SubgraphError(subgraph, message, code=errors.BAD_USER_INPUT) from error


def request_headers(subgraph: str, *sources: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request, by lower-case name; a later source's value replaces an earlier one's.

    Raises `SubgraphError` for a value with line breaks or other control characters.
    """
    headers: dict[str, str] = {}
    for source in sources:
        for name, value in source.items():
            lower = name.lower()
            if owned_by_client(lower):
                continue
            if not _is_token(lower) or any((ord(c) < 32 and c != "\t") or ord(c) == 127 for c in value):
                raise refused_header(subgraph, name)
            headers[lower] = value
    return headers


def owned_by_client(lower: str) -> bool:
    """Whether a header belongs to the connection or the body, so that a request's own is not sent."""
    return lower in CLIENT_OWNED or lower.startswith("sec-websocket-")


def refused_header(subgraph: str, name: str) -> SubgraphError:
    """The error for a header that HTTP doesn't allow, as one with a line break, which would begin another header."""
    message = f"A header for subgraph {subgraph!r} is not allowed in HTTP: {name[:100]!r}."
    return SubgraphError(subgraph, message, code=errors.BAD_REQUEST)


def _is_token(name: str) -> bool:
    return bool(name) and all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name)


def read_answer(
    subgraph: str,
    status: int,
    content_type: str | None,
    body: bytes | bytearray,
    headers: Sequence[tuple[str, str]] = (),
    *,
    rounded: bool = False,
    read: Read | None = None,
) -> SubgraphResponse:
    """An HTTP answer as GraphQL response, by the GraphQL-over-HTTP specification, sections 6.4.1 and 6.4.2.

    With `rounded`, big numbers in `data` may be rounded (see `SubgraphResponse.raw`). `read` parses an answer of the
    form that it expects; an answer of another form is parsed as if there were no `read` (see `Answer.read`).

    A status that isn't 2xx still gives the subgraph's own errors where the body is a GraphQL response.
    """
    fine = 200 <= status < 300
    if len(body) > _MIN_COUNTED_BYTES and body.count(b"{") + body.count(b"[") > MAX_CONTAINERS:
        raise invalid(subgraph, f"more than {MAX_CONTAINERS} objects and lists")
    media = _media_type(content_type)
    if media is None:
        if not fine:
            raise _http_error(subgraph, status, headers)
        raise invalid(subgraph, "no JSON" if content_type else "without a content type")
    if read is not None and status == 200:
        try:
            data, extensions = read(body)
        except ValueError:
            pass  # read below, as any other
        else:
            return SubgraphResponse(data, (), extensions if type(extensions) is dict else {}, headers, body)
    try:
        value = decode_rounded(body) if rounded else decode(body)
        if status == 200 and type(value) is dict and "errors" not in value and type(value.get("data")) is dict:
            extensions = value.get("extensions")
            kept = body if rounded else None
            return SubgraphResponse(value["data"], (), extensions if type(extensions) is dict else {}, headers, kept)
        if rounded:
            value = decode(body)
        response = to_response(subgraph, value, headers)
    except CodecError as error:
        if not fine:
            raise _http_error(subgraph, status, headers) from error
        raise invalid(subgraph, "malformed JSON" if body else "without a body") from error
    except SubgraphError as error:
        if not fine:
            raise _http_error(subgraph, status, headers) from error
        raise
    if fine:
        return response
    if not response.errors or 300 <= status < 400:
        raise _http_error(subgraph, status, headers)
    # Only in `application/graphql-response+json` does a body with such a status speak for itself.
    data = response.data if media == GRAPHQL_RESPONSE else None
    return RefusedResponse(status, data, response.errors, response.extensions, response.headers)


def _http_error(subgraph: str, status: int, headers: Sequence[tuple[str, str]]) -> SubgraphError:
    message = f"Subgraph {subgraph!r} answered with HTTP status {status}."
    retry_after = retry_after_of(headers)
    return SubgraphError(subgraph, message, code=errors.SUBGRAPH_HTTP_ERROR, status=status, retry_after=retry_after)


def retry_after_of(headers: Sequence[tuple[str, str]]) -> str | None:
    """The `Retry-After` of an answer."""
    return next((value for name, value in headers if name == "retry-after"), None)


def _media_type(content_type: str | None) -> str | None:
    if content_type is None or len(content_type) > _MAX_REMEMBERED_CHARACTERS:
        return _read_media_type(content_type)
    return _remembered_media_type(content_type)


def _read_media_type(content_type: str | None) -> str | None:
    media, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    if media not in (GRAPHQL_RESPONSE, "application/json"):
        return None
    charsets = [p.partition("=")[2].strip('" ') for p in parameters if p.startswith("charset=")]
    return media if all(charset in ("utf-8", "utf8") for charset in charsets) else None


#: Subgraphs send the same content type each time.
_remembered_media_type = lru_cache(maxsize=256)(_read_media_type)


def to_response(subgraph: str, value: Any, headers: Sequence[tuple[str, str]] = ()) -> SubgraphResponse:
    """Parsed JSON as GraphQL response, whose shape is checked (GraphQL specification, section 7.1).

    Raises `SubgraphError` where it has another shape.
    """
    if not isinstance(value, dict):
        raise invalid(subgraph, "JSON that is no GraphQL response")
    data, reported, extensions = value.get("data"), value.get("errors"), value.get("extensions")
    if data is not None and not isinstance(data, dict):
        raise invalid(subgraph, "data that is no object")
    if reported is None:
        reported = []
    if not isinstance(reported, list) or not all(
        isinstance(error, dict) and isinstance(error.get("message"), str) for error in reported
    ):
        raise invalid(subgraph, "malformed errors")
    if data is None and not reported:
        raise invalid(subgraph, "neither data nor errors")
    return SubgraphResponse(data, reported, extensions if isinstance(extensions, dict) else {}, headers)
