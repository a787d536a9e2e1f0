"""Many operations over one stream of server-sent events (graphql-sse, single connection mode).

A client reserves a stream (PUT gives its token), opens it (GET), sends operations (POST, each with an id) and ends them
(DELETE). The protocol: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

To the rest of the transport such a stream is a socket: a `Session` runs its operations, by the limits of sockets.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from botberi_gateway.codec import CodecError, decode, encode
from botberi_gateway.engine import OVERLOADED
from botberi_gateway.errors import LIMIT_EXCEEDED, GatewayError
from botberi_gateway.transport import negotiate
from botberi_gateway.transport.core import Core
from botberi_gateway.transport.exchange import Exchange, send_bytes
from botberi_gateway.transport.parameters import from_json
from botberi_gateway.transport.problem import UNSUPPORTED_MEDIA_TYPE, HttpProblem
from botberi_gateway.transport.socket_messages import MAX_ID_CHARACTERS, Dialect
from botberi_gateway.transport.watch import CallerWatch
from botberi_gateway.transport.websocket import Session

TOKEN_HEADER: Final = "x-graphql-event-stream-token"  # noqa: S105 - a header's name
#: Streams that are reserved and not opened: how many, and for how long.
_MAX_RESERVED: Final = 1_000
_RESERVED_SECONDS: Final = 10.0
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_STREAM_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
)
_KEEP_ALIVE: Final = ":\n\n"


class _Events(Dialect):
    """Messages of a socket, written as events."""

    def plain(self, kind: str, payload: Mapping[str, Any] | None = None) -> str:
        return _KEEP_ALIVE

    def about(self, identifier: str, kind: str, payload: bytes | None = None) -> str:
        name = encode(identifier).decode()
        complete = f'event: complete\ndata: {{"id":{name}}}\n\n'
        if payload is None:
            return complete
        if kind == "error":
            result = f'event: next\ndata: {{"id":{name},"payload":{{"errors":{payload.decode()}}}}}\n\n'
            return result + complete
        return f'event: next\ndata: {{"id":{name},"payload":{payload.decode()}}}\n\n'


_DIALECT: Final = _Events("", {name: name for name in ("connection_init", "subscribe", "complete")})


class _Connection:
    """One reserved stream; with a session once it is open."""

    def __init__(self, subject: str | None) -> None:
        self.subject = subject
        self.session: Session | None = None
        #: Messages for the session, in the form in which a server hands over those of a socket.
        self.messages: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    def say(self, message: Mapping[str, Any]) -> None:
        """Hand a message to the session."""
        self.messages.put_nowait({"type": "websocket.receive", "text": encode(message).decode()})


class SingleConnections:
    """The streams of one app."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._connections: dict[str, _Connection] = {}
        self._reserved = 0

    def concerns(self, exchange: Exchange, query_string: bytes) -> bool:
        """See `EventConnections`."""
        return (
            exchange.method in ("PUT", "DELETE")
            or TOKEN_HEADER in exchange.headers
            or (exchange.method == "GET" and b"token=" in query_string and b"query=" not in query_string)
        )

    async def answer(self, exchange: Exchange, query_string: bytes) -> None:
        """See `EventConnections`."""
        core = self._core
        watch = CallerWatch(core.identity, core.identity.credentials(exchange.headers, exchange.client))
        await watch.begin()
        subject = watch.caller.subject if watch.caller is not None else None
        match exchange.method:
            case "PUT":
                await self._reserve(exchange, subject)
            case "GET":
                core.origins.check_get(exchange.headers)
                token = exchange.headers.get(TOKEN_HEADER) or _parameter(query_string, "token")
                await self._open(exchange, self._found(token, subject))
            case "POST":
                await self._begin(exchange, self._found(exchange.headers.get(TOKEN_HEADER), subject))
            case "DELETE":
                connection = self._found(exchange.headers.get(TOKEN_HEADER), subject)
                # Of no effect where the operation has ended already.
                connection.say({"type": "complete", "id": _checked_id(_parameter(query_string, "operationId"))})
                await self._say(exchange, 200)
            case _:
                raise HttpProblem(405, "A stream is reserved by PUT, opened by GET, used by POST and DELETE.")

    async def _say(self, exchange: Exchange, status: int, text: bytes = b"") -> None:
        exchange.begun = True
        exchange.note["outcome"] = "ok"
        if exchange.send is None:  # the short way answers in its own form
            exchange.begun = False
            await exchange.respond(status, text)
            return
        await send_bytes(exchange.send, status, text, [_TEXT, *exchange.extra])

    def _found(self, token: str | None, subject: str | None) -> _Connection:
        connection = self._connections.get(token or "")
        # A token alone is not enough: its stream is its caller's.
        if connection is None or connection.subject != subject:
            raise HttpProblem(404, "There is no such stream.", "NOT_FOUND")
        return connection

    async def _reserve(self, exchange: Exchange, subject: str | None) -> None:
        if self._reserved >= _MAX_RESERVED or self._core.draining.is_set():
            raise GatewayError("Too many streams are reserved; try again.", code=OVERLOADED)
        token, connection = secrets.token_urlsafe(32), _Connection(subject)
        self._connections[token] = connection
        self._reserved += 1

        def expire() -> None:
            self._reserved -= 1
            if connection.session is None:
                self._connections.pop(token, None)

        asyncio.get_running_loop().call_later(_RESERVED_SECONDS, expire)
        await self._say(exchange, 201, token.encode())

    async def _open(self, exchange: Exchange, connection: _Connection) -> None:
        core = self._core
        if connection.session is not None:
            raise HttpProblem(409, "The stream is open already.", "CONFLICT")
        if core.draining.is_set() or len(core.sockets) >= core.config.websocket.max_sockets:
            raise GatewayError("Too many streams are open; try again.", code=OVERLOADED)
        with core.socket_of(exchange.client) as admitted:
            if not admitted:
                raise GatewayError("This address has too many streams.", code=LIMIT_EXCEEDED)
            core.end(exchange)
            session = Session(
                core, exchange.headers, exchange.client, connection.messages.get, _Writer(exchange).send, _DIALECT
            )
            connection.session = session
            core.sockets.add(session)
            core.observer.sockets(+1)
            try:
                await self._serve(exchange, connection, session)
            finally:
                core.sockets.discard(session)
                core.observer.sockets(-1)
                for token in [token for token, other in self._connections.items() if other is connection]:
                    del self._connections[token]

    async def _serve(self, exchange: Exchange, connection: _Connection, session: Session) -> None:
        exchange.begun = True
        start = {"type": "http.response.start", "status": 200, "headers": [*_STREAM_HEADERS, *exchange.extra]}
        await exchange.send(start)
        connection.say({"type": "connection_init"})
        loop = asyncio.get_running_loop()
        aside = (
            loop.create_task(_watch(exchange, connection)),
            loop.create_task(_keep_alive(exchange, self._core.config.sse_keep_alive_seconds)),
        )
        try:
            await session.run()
            exchange.note["outcome"] = "ok"
            await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in aside:
                task.cancel()
            await asyncio.gather(*aside, return_exceptions=True)

    async def _begin(self, exchange: Exchange, connection: _Connection) -> None:
        """Take an operation; its results come over the stream."""
        if not negotiate.is_json(exchange.headers.get("content-type") or ""):
            raise HttpProblem(415, "Send `content-type: application/json` (UTF-8).", UNSUPPORTED_MEDIA_TYPE)
        if connection.session is None:
            raise HttpProblem(404, "The stream is not open.", "NOT_FOUND")
        body = await exchange.body(self._core.config.max_body_bytes, self._core.config.body_timeout_seconds)
        if len(body) > self._core.config.websocket.max_message_bytes:
            raise HttpProblem(413, "The operation is longer than a message of a socket may be.")
        try:
            parsed = decode(body)
        except CodecError:
            raise HttpProblem(400, "The body is not valid JSON in UTF-8.") from None
        request = from_json(parsed)
        identifier = _checked_id(request.extensions.get("operationId"))
        if connection.session.is_running(identifier):
            raise HttpProblem(409, "The stream has an operation of this id.", "CONFLICT")
        if connection.messages.qsize() >= self._core.config.websocket.max_operations:
            raise GatewayError("Too many operations wait for this stream; try again.", code=OVERLOADED)
        connection.say({"type": "subscribe", "id": identifier, "payload": parsed})
        await self._say(exchange, 202)


class _Writer:
    """What a session sends -> pieces of the stream."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await self._exchange.send(
                {"type": "http.response.body", "body": message["text"].encode(), "more_body": True}
            )


async def _watch(exchange: Exchange, connection: _Connection) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
    connection.messages.put_nowait({"type": "websocket.disconnect"})


async def _keep_alive(exchange: Exchange, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await exchange.send({"type": "http.response.body", "body": _KEEP_ALIVE.encode(), "more_body": True})


def _parameter(query_string: bytes, name: str) -> str | None:
    try:
        return parse_qs(query_string.decode("ascii"), max_num_fields=8).get(name, [None])[0]
    except ValueError:
        return None


def _checked_id(identifier: Any) -> str:
    if not isinstance(identifier, str) or not 0 < len(identifier) <= MAX_ID_CHARACTERS:
        raise HttpProblem(400, f"`operationId` is a string of 1 to {MAX_ID_CHARACTERS} characters.")
    return identifier
