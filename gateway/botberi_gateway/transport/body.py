"""ASGI `receive` -> the request's body, bounded in size and time."""

import asyncio
from collections.abc import Mapping
from typing import Any

from botberi_gateway.transport.problem import PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE, HttpProblem


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


async def read_body(receive: Any, headers: Mapping[str, str], most: int, patience: float) -> bytes:
    """Counts while it reads, whatever `content-length` says. Raises `HttpProblem` (408, 413, 415) or `ClientGone`.

    Compressed bodies are refused: what is never inflated can't be a bomb.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise HttpProblem(415, "Compressed request bodies are not supported.", UNSUPPORTED_MEDIA_TYPE)
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 12 or int(length) > most):
        raise _too_large(most)
    # One message is the rule; only a longer body pays for a timer and a join.
    message = await _next(receive, patience)
    body: bytes = message.get("body", b"")
    if len(body) > most:
        raise _too_large(most)
    if not message.get("more_body", False):
        return body
    whole = bytearray(body)
    deadline = asyncio.get_running_loop().time() + patience
    while message.get("more_body", False):
        message = await _next(receive, deadline - asyncio.get_running_loop().time())
        whole += message.get("body", b"")
        if len(whole) > most:
            raise _too_large(most)
    return bytes(whole)


async def _next(receive: Any, patience: float) -> Any:
    try:
        async with asyncio.timeout(patience):
            message = await receive()
    except TimeoutError:
        raise HttpProblem(408, "The body did not arrive in time.", REQUEST_TIMEOUT, _CLOSE) from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


_CLOSE = ((b"connection", b"close"),)


def _too_large(most: int) -> HttpProblem:
    return HttpProblem(413, f"The body is larger than {most} bytes.", PAYLOAD_TOO_LARGE, _CLOSE)
