"""ASGI `receive` -> the request's body, bounded in size and time."""

import asyncio
from collections.abc import Mapping
from typing import Any

from botberi_gateway.transport.problem import PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE, HttpProblem
from botberi_gateway.upstream.body import BodyError, BodyReader, BodyTooLarge


class ClientGone(Exception):
    """The client has closed the connection, so that no answer can reach it."""


async def read_body(
    receive: Any, headers: Mapping[str, str], max_bytes: int, timeout_seconds: float, *, unpacks: bool = False
) -> bytes:
    """The request's body; it is counted while it is read, whatever `content-length` says.

    Compressed bodies are refused unless `unpacks`; then the limit holds packed and unpacked. Raises `HttpProblem` (400,
    408, 413, 415) or `ClientGone`.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return await _read(receive, headers, max_bytes, timeout_seconds)
    if not unpacks:
        raise HttpProblem(415, "Compressed request bodies are not supported.", UNSUPPORTED_MEDIA_TYPE)
    try:
        reader = BodyReader(encoding, max_bytes)
    except BodyError:
        raise HttpProblem(415, "Send bodies with gzip or deflate.", UNSUPPORTED_MEDIA_TYPE) from None
    try:
        reader.feed(await _read(receive, headers, max_bytes, timeout_seconds))
        return reader.finish()
    except BodyTooLarge:
        raise _too_large(max_bytes) from None
    except BodyError:
        raise HttpProblem(400, f"The body is not valid {encoding}.") from None


async def _read(receive: Any, headers: Mapping[str, str], max_bytes: int, timeout_seconds: float) -> bytes:
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 12 or int(length) > max_bytes):
        raise _too_large(max_bytes)
    # One message is the rule; only a longer body pays for a timer and a join.
    message = await _next(receive, timeout_seconds)
    body: bytes = message.get("body", b"")
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    if not message.get("more_body", False):
        return body
    whole = bytearray(body)
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while message.get("more_body", False):
        message = await _next(receive, deadline - asyncio.get_running_loop().time())
        whole += message.get("body", b"")
        if len(whole) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(whole)


async def _next(receive: Any, timeout_seconds: float) -> Any:
    try:
        async with asyncio.timeout(timeout_seconds):
            message = await receive()
    except TimeoutError:
        raise HttpProblem(408, "The body did not arrive in time.", REQUEST_TIMEOUT, _CLOSE) from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


_CLOSE = ((b"connection", b"close"),)


def _too_large(max_bytes: int) -> HttpProblem:
    return HttpProblem(413, f"The body is larger than {max_bytes} bytes.", PAYLOAD_TOO_LARGE, _CLOSE)
