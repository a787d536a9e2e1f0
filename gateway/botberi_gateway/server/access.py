"""Request ids and the access log: one line for each request, when it has ended."""

import logging
import os
import random
import re
import time
from collections.abc import Sequence
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from botberi_gateway.server.headers import add_missing, security_headers

logger = logging.getLogger("botberi_gateway.access")

_REQUEST_ID: Final = b"x-request-id"
#: What may come from outside into logs and to subgraphs.
_SAFE: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_SAFE_TEXT: Final = re.compile(_SAFE.pattern.decode()).fullmatch
#: Ids are to be different, not secret; this one's seed comes from the system.
_numbers: Final = random.Random()  # noqa: S311

# Else all processes of one server would make the same.
os.register_at_fork(after_in_child=_numbers.seed)


def new_id() -> str:
    """A random id of 16 hexadecimal digits."""
    return f"{_numbers.getrandbits(64):016x}"


def take_id(headers: dict[str, str]) -> str:
    """The request's `x-request-id`, or a new one, which is put into `headers`. Their names are in lower case."""
    sent = headers.get("x-request-id")
    if sent is not None and _SAFE_TEXT(sent):
        return sent
    request_id = headers["x-request-id"] = new_id()
    return request_id


def enabled() -> bool:
    """Whether lines of the access log are written anywhere."""
    return logger.isEnabledFor(logging.INFO)


class AccessLog:
    """ASGI middleware: gives each request an `x-request-id`, which app and client get, and logs its outcome."""

    def __init__(
        self, app: ASGIApp, *, log: bool = True, headers: Sequence[tuple[bytes, bytes]] = security_headers(None)
    ) -> None:
        """`headers` are added to every answer that doesn't have them."""
        self._app = app
        self._log = log
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app: answers one request or one WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _take_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id.decode()
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            kind = message["type"]
            if kind in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
                status = message.get("status", 101)
                headers = [*message.get("headers", ()), (_REQUEST_ID, request_id)]
                message = {**message, "headers": add_missing(headers, self._headers)}
            elif kind == "websocket.close" and not status:
                status = 403
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            if status or scope["type"] != "http":
                raise
            # Answered here, so that this answer too has an id and the headers.
            logger.exception("%s answering %r failed", state["request_id"], scope["path"])
            body = b"Internal Server Error"
            length = (b"content-length", b"%d" % len(body))
            kind = (b"content-type", b"text/plain; charset=utf-8")
            await answer({"type": "http.response.start", "status": 500, "headers": [kind, length]})
            await answer({"type": "http.response.body", "body": body})
        finally:
            if self._log and enabled():
                method = "WS" if scope["type"] == "websocket" else scope["method"]
                note = state.get("graphql") or {}
                seconds = time.perf_counter() - started
                write_line(method, scope["path"], status, seconds, state["request_id"], note)


def _take_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == _REQUEST_ID and _SAFE.fullmatch(value):
            return bytes(value)
    request_id = new_id().encode()
    headers = [(name, value) for name, value in scope["headers"] if name != _REQUEST_ID]
    scope["headers"] = [*headers, (_REQUEST_ID, request_id)]
    return request_id


def write_line(method: str, path: str, status: int, seconds: float, request_id: str, note: dict[str, Any]) -> None:
    """Log one request. `note` is what the transport noted about its operation."""
    # `%r` keeps line breaks of a path out of the log; the rest has a safe alphabet.
    logger.info(
        "%s %r %d %.1fms id=%s%s",
        method,
        path,
        status,
        seconds * 1000,
        request_id,
        "".join(f" {key}={note[key]}" for key in ("kind", "name", "outcome") if note.get(key)),
        extra={"status": status, "seconds": seconds, "request_id": request_id, **_extra(note)},
    )


def _extra(note: dict[str, Any]) -> dict[str, Any]:
    return {f"graphql_{key}": value for key, value in note.items()}
