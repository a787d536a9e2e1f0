"""A subgraph that is an ASGI application in this process: calls without sockets. The app's lifespan is the caller's."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

from botberi_gateway import errors
from botberi_gateway.config import InProcessConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.answer import ACCEPT, invalid, read_answer, request_body, request_headers
from botberi_gateway.upstream.body import BodyError, BodyReader
from botberi_gateway.upstream.gate import Gate
from botberi_gateway.upstream.graphql_ws import SUBPROTOCOL, SocketClosed, subscription
from botberi_gateway.upstream.port import Spending, SubgraphRequest, SubgraphResponse, takes_long

logger = logging.getLogger(__name__)

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class AsgiClient:
    """The client of one app; `path` is where its GraphQL endpoint is."""

    def __init__(self, name: str, app: App, options: InProcessConfig | None = None, *, path: str = "/graphql") -> None:
        self.name = name
        self.path = path
        self.options = options or InProcessConfig()
        self._app = app
        self._gate = Gate(name, self.options.max_concurrent, self.options.max_waiting)
        #: Calls whose answer is complete while the app still works on (background tasks).
        self._after: set[asyncio.Task[None]] = set()

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient.execute`."""
        body = request_body(self.name, request)
        headers = request_headers(self.name, self.options.headers, request.headers)
        headers |= {"content-type": "application/json", "accept": ACCEPT, "content-length": str(len(body))}
        timeout = (
            self.options.timeout_seconds
            if request.timeout is None
            else min(request.timeout, self.options.timeout_seconds)
        )
        try:
            async with asyncio.timeout(timeout), self._gate.enter():
                return await self._call(body, headers, request.spending)
        except TimeoutError as error:
            message = f"Subgraph {self.name!r} did not answer in time."
            raise SubgraphError(self.name, message, code=errors.SUBGRAPH_TIMEOUT) from error

    async def _call(self, body: bytes, headers: Mapping[str, str], spending: Spending | None) -> SubgraphResponse:
        call = _HttpCall(body, self.options.max_response_bytes)
        scope = self._scope("http", headers) | {"method": "POST", "http_version": "1.1", "scheme": "http"}
        task = asyncio.create_task(self._run(scope, call))
        done = asyncio.create_task(call.complete.wait())
        try:
            await asyncio.wait((task, done), return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
            call.gone.set()
            if not call.complete.is_set():
                task.cancel()
            if not task.done():
                self._after.add(task)
                task.add_done_callback(self._after.discard)
        if not call.complete.is_set():
            raise call.problem(self.name)
        text = call.body(self.name)
        if spending is not None:
            spending.take_bytes(len(text))
        if takes_long(text):
            return await asyncio.to_thread(call.read, self.name, text)
        return call.read(self.name, text)

    async def _run(self, scope: MutableMapping[str, Any], call: "_HttpCall") -> None:
        try:
            await self._app(scope, call.receive, call.send)
        except BodyError as error:
            call.refused = error
        except Exception:
            logger.exception("subgraph %s: its app raised", self.name)

    def _scope(self, kind: str, headers: Mapping[str, str]) -> dict[str, Any]:
        raw = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in headers.items()]
        return {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"in-process"), *raw],
            "client": ("127.0.0.1", 0),
            "server": ("in-process", None),
        }

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient.subscribe`: `graphql-transport-ws` through the app's WebSocket door, in this process."""
        headers = request_headers(self.name, self.options.headers, request.headers)
        socket = _AppSocket(self.options.max_queued_messages)
        scope = self._scope("websocket", headers) | {"scheme": "ws", "subprotocols": [SUBPROTOCOL]}
        task = asyncio.create_task(self._serve(scope, socket))
        try:
            try:
                async with asyncio.timeout(self.options.ack_timeout_seconds):
                    chosen = await socket.opened()
            except TimeoutError as error:
                message = f"Subgraph {self.name!r} did not open a WebSocket in time."
                raise SubgraphError(self.name, message, code=errors.SUBGRAPH_TIMEOUT) from error
            except SocketClosed as error:
                message = f"Subgraph {self.name!r} did not open a WebSocket."
                raise SubgraphError(self.name, message, code=errors.SUBGRAPH_UNREACHABLE) from error
            if chosen != SUBPROTOCOL:
                raise invalid(self.name, f"without the subprotocol {SUBPROTOCOL}")
            answers = subscription(self.name, socket, request, ack_timeout=self.options.ack_timeout_seconds)
            try:
                async for answer in answers:
                    yield answer
            finally:
                await answers.aclose()
        finally:
            await socket.close(1001)
            # The app ends by itself when it hears of the disconnect; it isn't waited for longer than a moment.
            await asyncio.wait((task,), timeout=1)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _serve(self, scope: MutableMapping[str, Any], socket: "_AppSocket") -> None:
        try:
            await self._app(scope, socket.app_receive, socket.app_send)
        except SocketClosed:
            pass  # what it would still have sent, nobody reads
        except Exception:
            logger.exception("subgraph %s: its app raised", self.name)
        finally:
            socket.ended()

    async def aclose(self) -> None:
        """End what the app still does for answered requests. The app itself is its owner's."""
        after = list(self._after)
        for task in after:
            task.cancel()
        await asyncio.gather(*after, return_exceptions=True)


class _HttpCall:
    """One request's two channels."""

    def __init__(self, body: bytes, limit: int) -> None:
        self._body: bytes | None = body
        self._limit = limit
        self._reader: BodyReader | None = None
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self.refused: BodyError | None = None
        self.complete = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message.get("headers", ())
            ]
            self._reader = BodyReader(dict(self._headers).get("content-encoding"), self._limit)
        elif message["type"] == "http.response.body" and self._reader is not None and not self.complete.is_set():
            self._reader.feed(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete.set()

    def problem(self, subgraph: str) -> SubgraphError:
        if self.refused is not None:
            return invalid(subgraph, str(self.refused))
        message = f"Subgraph {subgraph!r} failed without an answer."
        return SubgraphError(subgraph, message, code=errors.SUBGRAPH_UNREACHABLE)

    def body(self, subgraph: str) -> bytes | bytearray:
        """The whole answer's. Raises `SubgraphError`."""
        assert self._reader is not None
        try:
            return self._reader.finish()
        except BodyError as error:
            raise invalid(subgraph, str(error)) from error

    def read(self, subgraph: str, body: bytes | bytearray) -> SubgraphResponse:
        """What the body says. Raises `SubgraphError`."""
        return read_answer(subgraph, self._status, dict(self._headers).get("content-type"), body, self._headers)


class _AppSocket:
    """Both ends of a WebSocket in this process: `TextSocket` for the protocol, `receive` and `send` for the app."""

    def __init__(self, max_queue: int) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue(max_queue)
        self._closed: SocketClosed | None = None
        self._ended = asyncio.Event()
        self._to_app.put_nowait({"type": "websocket.connect"})

    async def opened(self) -> str | None:
        """The subprotocol that the app accepted."""
        message = await self._next()
        if message["type"] != "websocket.accept":
            raise SocketClosed(int(message.get("code") or 1006))
        subprotocol = message.get("subprotocol")
        return subprotocol if isinstance(subprotocol, str) else None

    async def _next(self) -> Message:
        getter = asyncio.create_task(self._from_app.get())
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait((getter, ended), return_when=asyncio.FIRST_COMPLETED)
            if not getter.done():
                raise SocketClosed(1006)
            return getter.result()
        finally:
            getter.cancel()
            ended.cancel()

    async def send(self, text: str) -> None:
        if self._closed is not None:
            raise self._closed
        self._to_app.put_nowait({"type": "websocket.receive", "text": text})

    async def receive(self) -> str | bytes:
        if self._closed is not None:
            raise self._closed
        message = await self._next()
        if message["type"] == "websocket.send":
            text: str | None = message.get("text")
            data: bytes = message.get("bytes") or b""
            return data if text is None else text
        self._closed = SocketClosed(int(message.get("code") or 1005), str(message.get("reason") or ""))
        raise self._closed

    async def close(self, code: int, reason: str = "") -> None:
        if self._closed is None:
            self._closed = SocketClosed(code, reason)
            self._to_app.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            # Room for an app that waits to send: it hears of the disconnect next.
            while not self._from_app.empty():
                self._from_app.get_nowait()

    async def app_receive(self) -> Message:
        return await self._to_app.get()

    async def app_send(self, message: Message) -> None:
        if self._closed is not None:
            raise self._closed
        await self._from_app.put(message)

    def ended(self) -> None:
        self._ended.set()
