"""A subgraph that is an ASGI application in this process: calls without sockets. The app's lifespan is the caller's."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from botberi_gateway import errors
from botberi_gateway.config import InProcessConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.answer import ACCEPT, invalid, read_answer, request_body, request_headers
from botberi_gateway.upstream.asgi_call import AsgiCall, Message, http_scope
from botberi_gateway.upstream.body import BodyError
from botberi_gateway.upstream.gate import Gate
from botberi_gateway.upstream.port import Spending, SubgraphRequest, SubgraphResponse, takes_long
from botberi_gateway.upstream.subscriptions.graphql_ws import SUBPROTOCOL, SocketClosed, subscription

logger = logging.getLogger(__name__)

_HOST: Final = "in-process"

Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class AsgiClient:
    """The client of an app in this process; `path` is where its GraphQL endpoint is."""

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
        call = AsgiCall(body, self.options.max_response_bytes)
        task = asyncio.create_task(self._run(http_scope("POST", self.path, headers, _HOST), call))
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
            if call.refusal is not None:
                raise invalid(self.name, str(call.refusal))
            message = f"Subgraph {self.name!r} failed without an answer."
            raise SubgraphError(self.name, message, code=errors.SUBGRAPH_UNREACHABLE)
        try:
            text = call.body()
        except BodyError as error:
            raise invalid(self.name, str(error)) from error
        if spending is not None:
            spending.take_bytes(len(text))
        if takes_long(text):
            return await asyncio.to_thread(self._read, call, text)
        return self._read(call, text)

    def _read(self, call: AsgiCall, body: bytes | bytearray) -> SubgraphResponse:
        return read_answer(self.name, call.status, dict(call.headers).get("content-type"), body, call.headers)

    async def _run(self, scope: MutableMapping[str, Any], call: AsgiCall) -> None:
        try:
            await self._app(scope, call.receive, call.send)
        except BodyError as error:
            call.refusal = error
        except Exception:
            logger.exception("subgraph %s: its app raised", self.name)

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient.subscribe`: `graphql-transport-ws` through the app's WebSocket door, in this process."""
        headers = request_headers(self.name, self.options.headers, request.headers)
        socket = _AppSocket(self.options.max_queued_messages)
        scope = http_scope("GET", self.path, headers, _HOST)
        del scope["method"]
        scope |= {"type": "websocket", "scheme": "ws", "subprotocols": [SUBPROTOCOL]}
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
            pass  # the app sent something after the caller had closed
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
