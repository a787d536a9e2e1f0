"""Subscriptions to a subgraph over WebSockets, one for each or shared."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from botberi_gateway import errors
from botberi_gateway.config import HeadersIn, SubgraphConfig, SubgraphSocketConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.answer import invalid, request_headers, to_response
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.sharing import TRACING_HEADERS, copied
from botberi_gateway.upstream.subscriptions.graphql_ws import (
    SUBPROTOCOL,
    SocketClosed,
    connect,
    lost,
    payload_of,
    receive,
    send,
    subscription,
)
from botberi_gateway.upstream.subscriptions.subscriber import Subscriber
from botberi_gateway.upstream.tls import tls_context

logger = logging.getLogger(__name__)


class _Connect(open_socket):
    """Follows no redirects."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Socket:
    """`websockets` as the protocol's `TextSocket`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self, code: int, reason: str = "") -> None:
        await self._connection.close(code, reason)


def _closed(error: ConnectionClosed) -> SocketClosed:
    return SocketClosed(error.rcvd.code, error.rcvd.reason) if error.rcvd else SocketClosed(1006)


def websocket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit(parts._replace(scheme=scheme))


class Sockets:
    """The subscriptions of one subgraph over WebSocket; those with equal headers may share a socket."""

    def __init__(self, subgraph: str, config: SubgraphConfig) -> None:
        self._subgraph, self._config = subgraph, config
        self._shared: dict[_Key, list[_SharedSocket]] = {}

    @property
    def shared_sockets(self) -> int:
        """How many sockets are open, or being opened, that may be shared."""
        return sum(map(len, self._shared.values()))

    def subscribe(self, url: str, request: SubgraphRequest) -> AsyncGenerator[SubgraphResponse, None]:
        """Answers until the subgraph completes. Raises `SubgraphError`."""
        address = self._config.websocket.url or websocket_url(url)
        if self._config.websocket.max_subscriptions_per_socket > 1:
            return self._sharing(address, request)
        return self._alone(address, request)

    async def _alone(self, address: str, request: SubgraphRequest) -> AsyncGenerator[SubgraphResponse, None]:
        headers = request_headers(self._subgraph, self._config.headers, request.headers)
        connection = await _open(self._subgraph, address, headers, self._config)
        answers = subscription(
            self._subgraph,
            _Socket(connection),
            request,
            ack_timeout=self._config.websocket.ack_timeout_seconds,
            init_payload=_init_payload(headers, self._config.websocket),
        )
        try:
            async for answer in answers:
                yield answer
        finally:
            await answers.aclose()
            # However it ended: nothing stays open.
            await asyncio.shield(connection.close())

    async def _sharing(self, address: str, request: SubgraphRequest) -> AsyncGenerator[SubgraphResponse, None]:
        headers = request_headers(self._subgraph, self._config.headers, request.headers)
        key = address, frozenset(pair for pair in headers.items() if pair[0] not in TRACING_HEADERS)
        sockets = self._shared.setdefault(key, [])
        socket = next((socket for socket in sockets if socket.has_room), None)
        if socket is None:
            socket = _SharedSocket(self._subgraph, address, headers, self._config)
            sockets.append(socket)
        answers = socket.subscribe(request)
        try:
            async for answer in answers:
                yield answer
        finally:
            await answers.aclose()
            if socket.is_over and socket in sockets:
                sockets.remove(socket)
                if not sockets and self._shared.get(key) is sockets:
                    del self._shared[key]


#: Address and headers.
_Key: TypeAlias = tuple[str, frozenset[tuple[str, str]]]


class _SharedSocket:
    """A socket with several subscriptions. A task reads it as long as there are any."""

    def __init__(self, subgraph: str, address: str, headers: Mapping[str, str], config: SubgraphConfig) -> None:
        self._subgraph, self._address, self._headers, self._config = subgraph, address, headers, config
        self._socket: _Socket | None = None
        self._subscribers: dict[str, Subscriber] = {}
        self._count = 0
        self._is_over = False
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._task = loop.create_task(self._run())

    @property
    def has_room(self) -> bool:
        """Whether it takes another subscription."""
        return not self._is_over and len(self._subscribers) < self._config.websocket.max_subscriptions_per_socket

    @property
    def is_over(self) -> bool:
        """Whether it takes no further subscriptions, as it is closed."""
        return self._is_over

    async def subscribe(self, request: SubgraphRequest) -> AsyncGenerator[SubgraphResponse, None]:
        """Answers until the subgraph completes. Raises `SubgraphError`."""
        self._count += 1
        identifier = str(self._count)
        subscriber = Subscriber(self._subgraph, self._config.websocket.max_queued_messages)
        self._subscribers[identifier] = subscriber
        try:
            await asyncio.wait({self._ready})
            if self._socket is not None:
                try:
                    message = {"id": identifier, "type": "subscribe", "payload": payload_of(request)}
                    await send(self._socket, message)
                except SocketClosed as closed:
                    raise lost(self._subgraph, closed) from closed
            while (answer := await subscriber.next()) is not None:
                yield answer
        finally:
            if self._subscribers.pop(identifier, None) is not None and self._socket is not None:
                with suppress(SocketClosed):
                    await send(self._socket, {"id": identifier, "type": "complete"})
            if not self._subscribers and not self._is_over:
                self._is_over = True
                self._task.cancel()
                await asyncio.wait({self._task})

    async def _run(self) -> None:
        error: BaseException | None = None
        connection: ClientConnection | None = None
        code, reason = 1000, ""
        try:
            connection = await _open(self._subgraph, self._address, self._headers, self._config)
            socket, websocket = _Socket(connection), self._config.websocket
            payload = _init_payload(self._headers, websocket)
            await connect(self._subgraph, socket, websocket.ack_timeout_seconds, payload)
            self._socket = socket
            self._ready.set_result(None)
            while True:
                await self._handle(socket, await receive(self._subgraph, socket))
        except SocketClosed as closed:
            error = lost(self._subgraph, closed)
        except SubgraphError as failure:
            error = failure
            if failure.code == errors.SUBGRAPH_INVALID_RESPONSE:
                code, reason = 4400, "Bad message"
        finally:
            self._is_over = True
            self._socket = None
            if not self._ready.done():
                self._ready.set_result(None)
            subscribers, self._subscribers = self._subscribers, {}
            for subscriber in subscribers.values():
                subscriber.put(None if error is None else copied(error))
            if connection is not None:
                await asyncio.shield(connection.close(code, reason))

    async def _handle(self, socket: "_Socket", message: Mapping[str, Any]) -> None:
        kind, identifier = message.get("type"), message.get("id")
        if kind == "ping":
            await send(socket, {"type": "pong"})
            return
        if kind == "pong":
            return
        if kind not in ("next", "error", "complete") or not isinstance(identifier, str):
            raise invalid(self._subgraph, "a WebSocket message that was not expected")
        subscriber = self._subscribers.get(identifier)
        if subscriber is None:
            return  # it has left; this was under way
        if kind == "next":
            subscriber.put(to_response(self._subgraph, message.get("payload")))
            if not subscriber.is_slow:
                return
            await send(socket, {"id": identifier, "type": "complete"})
        elif kind == "error":
            subscriber.put(to_response(self._subgraph, {"data": None, "errors": message.get("payload")}))
        del self._subscribers[identifier]
        subscriber.put(None)


def _init_payload(headers: Mapping[str, str], websocket: SubgraphSocketConfig) -> Mapping[str, Any] | None:
    return None if websocket.headers_in is HeadersIn.HANDSHAKE else headers


async def _open(subgraph: str, address: str, headers: Mapping[str, str], config: SubgraphConfig) -> ClientConnection:
    """A connection that speaks the subprotocol. Raises `SubgraphError`."""
    options = config.websocket
    reached: dict[str, Any] = {}
    if address.startswith("wss:"):
        reached["ssl"] = tls_context(config.tls)
        if config.tls.server_name is not None:
            reached["server_hostname"] = config.tls.server_name
    elif config.socket_path is not None:
        reached |= {"unix": True, "path": str(config.socket_path)}
    try:
        connection = await _Connect(
            address,
            **reached,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers=None if options.headers_in is HeadersIn.INIT else headers,
            user_agent_header=None,
            proxy=None,
            open_timeout=options.open_timeout_seconds,
            ping_interval=options.ping_interval_seconds,
            ping_timeout=options.ping_timeout_seconds,
            close_timeout=1,
            max_size=options.max_message_bytes,
            max_queue=options.max_queued_messages,
        )
    except TimeoutError as error:
        message = f"Subgraph {subgraph!r} did not open a WebSocket in time."
        raise SubgraphError(subgraph, message, code=errors.SUBGRAPH_TIMEOUT) from error
    except (OSError, InvalidHandshake, InvalidURI, EOFError) as error:
        logger.warning("subgraph %s: WebSocket: %r", subgraph, error)
        message = f"Subgraph {subgraph!r} did not open a WebSocket."
        raise SubgraphError(subgraph, message, code=errors.SUBGRAPH_UNREACHABLE) from error
    if connection.subprotocol != SUBPROTOCOL:
        await connection.close(4406, "Subprotocol not acceptable")
        raise invalid(subgraph, f"without the subprotocol {SUBPROTOCOL}")
    return connection
