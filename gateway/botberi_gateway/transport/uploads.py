"""A form with an operation and files -> the operation, with the files in its variables.

The GraphQL multipart request specification: the fields `operations` and `map` first, then the files. Files go to disk
as they come; nothing of a request but its operation is in memory as a whole.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from botberi_gateway import errors
from botberi_gateway.codec import CodecError, decode
from botberi_gateway.config import TransportConfig
from botberi_gateway.engine import GraphQLRequest
from botberi_gateway.transport.body import ClientGone
from botberi_gateway.transport.exchange import Exchange
from botberi_gateway.transport.parameters import from_json
from botberi_gateway.transport.problem import (
    PAYLOAD_TOO_LARGE,
    REQUEST_TIMEOUT,
    UNSUPPORTED_MEDIA_TYPE,
    HttpProblem,
)
from botberi_gateway.upstream.uploads import UPLOADS, Upload

_MAX_MAP_BYTES: Final = 16_384
#: Name and content type of a part are short; more headers than a few have no use.
_MAX_PART_HEADER_BYTES: Final = 4_096
#: A file may stand at several places.
_MAX_PLACES: Final = 100
_CLOSE: Final = ((b"connection", b"close"),)


async def read_form(config: TransportConfig, exchange: Exchange) -> GraphQLRequest:
    """The operation of a form. The files are there until `exchange.close_files` is called.

    Raises `HttpProblem` (400, 408, 413, 415) or `ClientGone`.
    """
    form = _Form(config, exchange.headers)
    exchange.close_files = form.close
    try:
        async with asyncio.timeout(config.uploads.timeout_seconds):
            async for chunk in _chunks(exchange.receive):
                await form.feed(chunk)
    except TimeoutError:
        raise HttpProblem(408, "The body did not arrive in time.", REQUEST_TIMEOUT, _CLOSE) from None
    except MultipartParseError:
        raise _bad("The body is not a valid form.") from None
    request, tokens = form.finish()
    UPLOADS.set(tokens)
    return request


async def _chunks(receive: Any) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        yield message.get("body", b"")
        more = message.get("more_body", False)


class _Part:
    """One part of the form."""

    def __init__(self) -> None:
        self.headers: dict[str, bytes] = {}
        self.name = ""
        self.upload: Upload | None = None
        self.text = bytearray()


class _Form:
    """Takes the body piece by piece. The parser calls back at once; what is awaited waits in `_pieces`."""

    def __init__(self, config: TransportConfig, headers: Mapping[str, str]) -> None:
        self._config, self._limits = config, config.uploads
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise HttpProblem(415, "Compressed forms are not supported.", UNSUPPORTED_MEDIA_TYPE)
        length = headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 15 or int(length) > self._limits.max_request_bytes):
            raise self._too_large()
        _, options = parse_options_header(headers["content-type"])
        boundary = options.get(b"boundary", b"")
        if not 0 < len(boundary) <= 100:
            raise _bad("The form has no boundary.")
        callbacks: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._on_end,
            "on_end": self._on_whole,
        }
        self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]  # a TypedDict of the same keys
        self._size = 0
        self._header_name, self._header_value, self._header_bytes = b"", b"", 0
        self._part = _Part()
        self._pieces: list[tuple[Upload, bytes]] = []
        self._is_whole = False
        self._operations: Any = None
        #: Field of a file -> places of the variables.
        self._map: dict[str, list[str]] | None = None
        self._uploads: dict[str, Upload] = {}

    async def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limits.max_request_bytes:
            raise self._too_large()
        self._parser.write(chunk)
        pieces, self._pieces = self._pieces, []
        for upload, piece in pieces:
            await upload.write(piece)
            if upload.size > self._limits.max_file_bytes:
                message = f"A file is larger than {self._limits.max_file_bytes} bytes."
                raise HttpProblem(413, message, PAYLOAD_TOO_LARGE, _CLOSE)

    def _too_large(self) -> HttpProblem:
        message = f"The body is larger than {self._limits.max_request_bytes} bytes."
        return HttpProblem(413, message, PAYLOAD_TOO_LARGE, _CLOSE)

    # The parser's side.

    def _begin(self) -> None:
        self._part = _Part()
        self._header_bytes = 0

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._count_header(end - start)

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._count_header(end - start)

    def _count_header(self, count: int) -> None:
        self._header_bytes += count
        if self._header_bytes > _MAX_PART_HEADER_BYTES:
            raise _bad("A part of the form has too long headers.")

    def _on_header_end(self) -> None:
        self._part.headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers(self) -> None:
        part = self._part
        _, options = parse_options_header(part.headers.get("content-disposition", b""))
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if part.name in ("operations", "map"):
            if part.name == "map" and self._operations is None:
                raise _bad("The field 'operations' comes before 'map'.")
            return
        if self._map is None:
            raise _bad("The fields 'operations' and 'map' come before the files.")
        if part.name not in self._map or part.name in self._uploads:
            raise _bad(f"The map has no file {part.name[:50]!r}, or the form has it twice.")
        filename = options.get(b"filename", b"").decode("utf-8", "replace")
        content_type = part.headers.get("content-type", b"application/octet-stream").decode("latin-1")
        part.upload = self._uploads[part.name] = Upload(filename[:255], content_type[:255])

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.upload is not None:
            self._pieces.append((part.upload, data[start:end]))
            return
        part.text += data[start:end]
        maximum = self._config.max_body_bytes if part.name == "operations" else _MAX_MAP_BYTES
        if len(part.text) > maximum:
            raise HttpProblem(
                413, f"The field {part.name!r} is larger than {maximum} bytes.", PAYLOAD_TOO_LARGE, _CLOSE
            )

    def _on_end(self) -> None:
        part = self._part
        if part.name == "operations":
            self._operations = _json(part)
        elif part.name == "map":
            self._map = self._checked_map(_json(part))

    def _on_whole(self) -> None:
        self._is_whole = True

    def _checked_map(self, parsed: Any) -> dict[str, list[str]]:
        if not isinstance(parsed, dict) or not all(
            isinstance(places, list) and all(isinstance(place, str) for place in places) for places in parsed.values()
        ):
            raise _bad("The field 'map' is an object of lists of paths.")
        if len(parsed) > self._limits.max_files or sum(map(len, parsed.values())) > _MAX_PLACES:
            raise HttpProblem(400, f"A request may have {self._limits.max_files} files.", errors.LIMIT_EXCEEDED, _CLOSE)
        return parsed

    # The whole.

    def finish(self) -> tuple[GraphQLRequest, Mapping[str, Upload]]:
        """The request, and its files by the tokens that stand for them. Raises `HttpProblem`."""
        if not self._is_whole or self._operations is None or self._map is None:
            raise _bad("The form is not complete.")
        missing = [name for name in self._map if name not in self._uploads]
        if missing:
            raise _bad(f"The form lacks the file {missing[0][:50]!r}.")
        if isinstance(self._operations, list):
            raise _bad("A batch can't have files.")
        tokens: dict[str, Upload] = {}
        for name, places in self._map.items():
            # No client can know it, so that no other value is taken for it.
            token = f"upload-{secrets.token_hex(16)}"
            tokens[token] = self._uploads[name]
            for place in places:
                _put(self._operations, place, token)
        return from_json(self._operations), tokens

    def close(self) -> None:
        for upload in self._uploads.values():
            upload.close()


def _json(part: _Part) -> Any:
    try:
        return decode(bytes(part.text))
    except CodecError:
        raise _bad(f"The field {part.name!r} is not valid JSON.") from None


def _put(operations: Any, place: str, token: str) -> None:
    """Put a token in the place of a null in the variables. Raises `HttpProblem`."""
    first, *keys = place.split(".")
    inner: Any = operations
    holder: Any = None
    key: str | int = first
    for step in (first, *keys):
        holder, key = inner, step
        if isinstance(inner, list):
            if not (step.isascii() and step.isdigit() and len(step) < 9 and int(step) < len(inner)):
                raise _bad(f"The map names a place that isn't there: {place[:100]!r}.")
            key = int(step)
        elif not isinstance(inner, dict) or step not in inner:
            raise _bad(f"The map names a place that isn't there: {place[:100]!r}.")
        inner = holder[key]
    if first != "variables" or not keys or inner is not None:
        raise _bad(f"A file stands in the place of a null in the variables, not at {place[:100]!r}.")
    holder[key] = token


def _bad(message: str) -> HttpProblem:
    return HttpProblem(400, message, headers=_CLOSE)
