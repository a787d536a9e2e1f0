"""The short way past ASGI: a whole `POST` of JSON to the endpoint -> its answer in one write.

Everything unusual (another method, path or encoding, a body in pieces, streams, pipelining) goes through the app. Both
ways call `botberi_gateway.transport.http.answer`, so that their answers can't differ.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import Match
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from botberi_gateway.server.access import enabled, take_id, write_line
from botberi_gateway.server.headers import add_missing, security_headers
from botberi_gateway.transport.client import Client
from botberi_gateway.transport.core import Core
from botberi_gateway.transport.exchange import CONTENT_TYPES, FIXED_HEADERS, Posted
from botberi_gateway.transport.http import answer
from botberi_gateway.transport.negotiate import JSON
from botberi_gateway.transport.problem import BUSY, RETRY_SOON

logger = logging.getLogger(__name__)

_USUAL: Final = {pair: b"%b: %b\r\n" % pair for pair in CONTENT_TYPES.values()}
#: Headers of what isn't sent, or answered, as it stands.
_UNUSUAL: Final = frozenset(("content-encoding", "transfer-encoding", "expect", "upgrade"))
_FAILED: Final = b"Internal Server Error"


class QuickDoor:
    """What the short way needs, made once for each server."""

    def __init__(
        self,
        core: Core,
        path: str,
        headers: Sequence[tuple[bytes, bytes]] = security_headers(None),
        *,
        log: bool,
        asgi_header: str | None = None,
        socket_app: Any = None,
    ) -> None:
        """`headers` are those of every answer. A request with `asgi_header` takes the long way.

        `socket_app` is the ASGI app of the endpoint's WebSockets.
        """
        self._long_way = _UNUSUAL if asgi_header is None else _UNUSUAL | {asgi_header}
        self.socket_app = socket_app
        fixed = add_missing(FIXED_HEADERS, headers)
        self.fixed = b"".join(b"%b: %b\r\n" % pair for pair in fixed)
        #: The same for an answer that says itself how long it may be kept.
        self.cacheable = b"".join(b"%b: %b\r\n" % pair for pair in fixed if pair[0] != b"cache-control")
        self.core = core
        self.url = path.encode()
        self.log = log
        self._seen: object = None
        self._default = b""

    def admits(self, headers: dict[str, str]) -> bool:
        """Whether a POST with these headers (names in lower case) may take the short way."""
        content_type, length = headers.get("content-type", ""), headers.get("content-length", "")
        if content_type != "application/json" and not content_type.startswith("application/json;"):
            return False
        if not (
            length.isascii()
            and length.isdigit()
            and len(length) < 10
            and 0 < int(length) <= self.core.config.max_body_bytes
        ):
            return False
        accept = headers.get("accept")
        if accept is not None and ("stream" in accept or "multipart" in accept):
            return False
        return self._long_way.isdisjoint(headers)

    def default_headers(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The lines of uvicorn's own headers (the date). Uvicorn makes a new list every second."""
        if headers is not self._seen:
            self._seen, self._default = headers, b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._default


def quick_door(app: Starlette) -> QuickDoor | None:
    """The short way of an app that `create_app` made; None where something stands in front of its endpoint."""
    make = getattr(getattr(app, "state", None), "quick_door", None)
    if make is None or len(app.user_middleware) != 1:
        return None
    door: QuickDoor = make()
    scope = {"type": "http", "method": "POST", "path": door.url.decode(), "root_path": "", "headers": []}
    first = next((route for route in app.routes if route.matches(scope)[0] is not Match.NONE), None)
    return door if first is app.state.graphql_route else None


class _NoEvent:
    """Stands in for the event of uvicorn's cycle, for which nothing waits here."""

    def set(self) -> None: ...


class QuickCycle:
    """One request and its answer, with the attributes that uvicorn's protocol expects of its own cycle."""

    message_event = _NoEvent()

    def __init__(
        self,
        door: QuickDoor,
        transport: asyncio.Transport,
        default: bytes,
        on_response: Callable[[], None],
        tasks: "set[asyncio.Task[None]]",
        *,
        keep_alive: bool,
    ) -> None:
        """`tasks` are those that the server waits for before it ends."""
        self._door = door
        self._transport = transport
        self.on_response = on_response
        self._tasks = tasks
        self._default = default
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        self.status = 0
        self._request_id = ""
        self._task: asyncio.Task[None] | None = None
        self._posted: Posted | None = None

    def start(
        self, loop: asyncio.AbstractEventLoop, headers: dict[str, str], body: bytes, peer: tuple[str, int] | None
    ) -> None:
        """Begin to answer; `on_response` is called when the answer is written.

        `headers` belongs to this object from now on; `peer` is the address of the connection.
        """
        core = self._door.core
        if core.is_full:
            core.refused()
            self._request_id = take_id(headers)
            cors = core.origins.cors(headers)
            loop.call_soon(self._write, 503, [CONTENT_TYPES[JSON], *cors, *RETRY_SOON], BUSY)
            return
        client = core.clients.resolve(peer, headers)
        core.at_work += 1
        self._task = loop.create_task(self._run(headers, client, body))
        self._tasks.add(self._task)

    def gone(self) -> None:
        """The client has gone: cancel the request, unless it is a mutation that has begun."""
        to_its_end = self._posted is not None and self._posted.to_its_end
        if self._task is not None and not self.response_complete and not to_its_end:
            self._task.cancel()
            if self._posted is None:
                self._tasks.discard(self._task)  # it won't begin
                self._door.core.at_work -= 1

    async def _run(self, headers: dict[str, str], client: Client, body: bytes) -> None:
        door = self._door
        request_id = self._request_id = take_id(headers)
        note: dict[str, Any] = {}
        posted = self._posted = Posted(headers, client, body, note, self._write)
        try:
            await answer(door.core, posted)
        except asyncio.CancelledError:
            if not self.disconnected:
                raise
            note["outcome"] = "client_gone"
        except Exception:
            logger.exception("answering failed")
            if not self.response_complete:
                self.keep_alive = False
                self._write(500, [(b"content-type", b"text/plain; charset=utf-8")], _FAILED)
        finally:
            door.core.at_work -= 1
            # It ends with this step: a callback for that would cost a turn of the loop.
            if self._task is not None:
                self._tasks.discard(self._task)
            if door.log and enabled():
                write_line(
                    "POST", door.url.decode(), self.status, time.perf_counter() - posted.started, request_id, note
                )

    def _write(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        if self.disconnected:
            return
        self.status = status
        lines = [STATUS_LINE[status], self._default, b"content-length: %d\r\n" % len(body), self._door.fixed]
        for header in headers:
            line = _USUAL.get(header)
            if line is not None:
                lines.append(line)
                continue
            name, value = header
            if name == b"connection":
                if b"close" in value.lower():
                    self.keep_alive = False
                continue
            if name == b"cache-control":
                lines[3] = self._door.cacheable
            if b"\r" in value or b"\n" in value or b"\0" in value:
                raise RuntimeError("Invalid HTTP header value.")
            lines.append(b"%b: %b\r\n" % (name, value))
        lines.append(b"x-request-id: %b\r\n" % self._request_id.encode("ascii"))
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        lines.append(body)
        self._transport.write(b"".join(lines))
        self.response_complete = True
        if not self.keep_alive:
            self._transport.close()
        self.on_response()
