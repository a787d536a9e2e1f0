"""A WebSocket -> operations and subscriptions over `graphql-transport-ws`, or the older `graphql-ws`."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final

from botberi_gateway import errors
from botberi_gateway.codec import encode
from botberi_gateway.engine import GraphQLRequest, Prepared, RequestContext
from botberi_gateway.errors import ErrorEntry, GatewayError
from botberi_gateway.executor import Payload, PendingForm, first_payload_bytes, payload_bytes
from botberi_gateway.transport import socket_messages as protocol
from botberi_gateway.transport.client import Client
from botberi_gateway.transport.core import Core
from botberi_gateway.transport.identity import decode_headers
from botberi_gateway.transport.outbox import Outbox
from botberi_gateway.transport.parameters import last_event_id
from botberi_gateway.transport.port import Caller, Unauthenticated
from botberi_gateway.transport.problem import describe
from botberi_gateway.transport.socket_messages import Close, Dialect, Message
from botberi_gateway.transport.stepping import rest_of
from botberi_gateway.transport.watch import CallerWatch

logger = logging.getLogger(__name__)

#: How long a close frame may take to leave; how long queries of a socket have to end when the server stops.
_CLOSE_TIMEOUT_SECONDS: Final = 2.0
_QUERIES_TIMEOUT_SECONDS: Final = 10.0


async def serve_socket(core: Core, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """Accept or refuse one socket, and serve it to its end."""
    headers = decode_headers(scope["headers"])
    await receive()  # websocket.connect
    if not core.origins.admits_socket(headers):
        logger.warning(
            "a socket from origin %r was refused; is it ours (public URL) or to be allowed?", headers.get("origin")
        )
        await _refuse(scope, send, 403)
        return
    if core.draining.is_set() or len(core.sockets) >= core.config.websocket.max_sockets:
        await _refuse(scope, send, 503)
        return
    dialect = _dialect(core, scope.get("subprotocols", ()))
    if dialect is None:
        # Accepted first: a browser shows no code of a refused handshake.
        await send({"type": "websocket.accept"})
        await send(
            {
                "type": "websocket.close",
                "code": protocol.SUBPROTOCOL_NOT_ACCEPTABLE,
                "reason": "Subprotocol not acceptable",
            }
        )
        return
    client = core.clients.resolve(scope.get("client"), headers)
    with core.socket_of(client) as admitted:
        if not admitted:
            await _refuse(scope, send, 429)
            return
        session = Session(core, headers, client, receive, send, dialect)
        core.sockets.add(session)
        core.observer.sockets(+1)
        try:
            await send({"type": "websocket.accept", "subprotocol": dialect.subprotocol})
            await session.run()
        finally:
            core.sockets.discard(session)
            core.observer.sockets(-1)


def _dialect(core: Core, offered: Sequence[str]) -> Dialect | None:
    """The subprotocol to speak with a client that offers these; None where the gateway speaks none of them."""
    if protocol.MODERN.subprotocol in offered:
        return protocol.MODERN
    if core.config.websocket.legacy_protocol and protocol.LEGACY.subprotocol in offered:
        return protocol.LEGACY
    return None


async def _refuse(scope: Mapping[str, Any], send: Any, status: int) -> None:
    # A close before the handshake is a 403 in itself; uvicorn counts any other refusal as an error of ours.
    if status != 403 and "websocket.http.response" in scope.get("extensions", {}):
        headers = [(b"retry-after", b"1")] if status in (429, 503) else []
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b""})
    else:
        await send({"type": "websocket.close", "code": 1008})


class Session:
    """One accepted socket: a task that reads, a task for each operation, and one that writes what can't leave at once.

    Each of them may set `_end`, which ends the socket.
    """

    def __init__(
        self,
        core: Core,
        headers: Mapping[str, str],
        client: Client,
        receive: Any,
        send: Any,
        dialect: Dialect = protocol.MODERN,
    ) -> None:
        self._core, self._headers, self._receive, self._send = core, headers, receive, send
        self._dialect = dialect
        self._client = client
        self._config = core.config.websocket
        self._end: asyncio.Future[Close | None] = asyncio.get_running_loop().create_future()
        self._outbox = Outbox(self._config.max_queued_messages)
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._queries: set[asyncio.Task[None]] = set()
        self._others: set[asyncio.Task[None]] = set()
        self._watch: CallerWatch | None = None
        self._messages_left: float = self._config.max_message_burst
        self._counted_at = time.monotonic()
        self._init_received = False
        self._is_acknowledged = False
        #: Made where something waits for it.
        self._acknowledgement: asyncio.Event | None = None
        self._draining = False
        #: Whether a task writes, as the client doesn't read as fast as messages come.
        self._is_writing = False

    @property
    def caller(self) -> Caller | None:
        """Who opened the socket; None for an anonymous caller, and before `connection_init`."""
        return self._watch.caller if self._watch is not None else None

    def is_running(self, identifier: str) -> bool:
        """Whether the socket has an operation of this id."""
        return identifier in self._operations

    async def run(self) -> None:
        """Serve the socket until either side ends it."""
        self._spawn(self._read())
        init_timer = asyncio.get_running_loop().call_later(self._config.init_timeout_seconds, self._no_init)
        try:
            close = await self._end
        finally:
            init_timer.cancel()
            self._core.rechecks.remove(self)
            tasks = [*self._operations.values(), *self._others]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if close is not None:
            # A close frame holds 123 bytes of reason.
            reason = close.reason.encode()[:120].decode(errors="ignore")
            with suppress(Exception):
                async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                    await self._send({"type": "websocket.close", "code": close.code, "reason": reason})

    async def drain(self) -> None:
        """End the socket because the server stops: refuse new operations, wait for queries, then close with 1001.

        `complete` is not sent, so that clients come back.
        """
        self._draining = True
        if self._queries:
            await asyncio.wait(set(self._queries), timeout=_QUERIES_TIMEOUT_SECONDS)
        # Their results shall leave before the close frame.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                await self._outbox.flushed()
        self._finish(Close(protocol.GOING_AWAY, "The server is going away"))

    def _finish(self, close: Close | None) -> None:
        if not self._end.done():
            self._end.set_result(close)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._others.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._others.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if isinstance(error, Close):
            self._finish(error)
        elif isinstance(error, OSError):
            # What servers raise when they are asked to send to a client that has gone.
            self._finish(None)
        else:
            logger.error("a socket failed", exc_info=error)
            self._finish(Close(protocol.INTERNAL_ERROR, "Internal server error"))

    async def _read(self) -> None:
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                self._finish(None)
                return
            self._count_message()
            await self._handle(protocol.parse(event, self._config.max_message_bytes, self._dialect))

    def _count_message(self) -> None:
        now, config = time.monotonic(), self._config
        gained = (now - self._counted_at) * config.max_messages_per_second
        self._messages_left = min(config.max_message_burst, self._messages_left + gained) - 1
        self._counted_at = now
        if self._messages_left < 0:
            raise Close(protocol.TOO_MANY_MESSAGES, "Too many messages")

    async def _write(self, first: Awaitable[None]) -> None:
        """Finish sending a message, then send what waits meanwhile."""
        await first
        self._outbox.sent()
        while (text := self._outbox.take()) is not None:
            await self._send({"type": "websocket.send", "text": text})
            self._outbox.sent()
        self._is_writing = False

    async def _emit(self, text: str) -> None:
        if not self._is_writing:
            sending = self._send({"type": "websocket.send", "text": text})
            try:
                waits_for = sending.send(None)
            except StopIteration:
                return
            self._is_writing = True
            self._outbox.begin()
            self._spawn(self._write(rest_of(sending, waits_for)))
            return
        try:
            await self._outbox.put(text, self._core.config.send_timeout_seconds)
        except TimeoutError:
            raise Close(protocol.TRY_AGAIN_LATER, "The client reads too slowly") from None

    def _no_init(self) -> None:
        if not self._init_received:
            self._finish(Close(protocol.INIT_TIMEOUT, "Connection initialisation timeout"))

    async def recheck(self) -> None:
        """Implements `Checked`."""
        assert self._watch is not None
        try:
            await self._checked(self._watch.tick())
        except Close as close:
            self._finish(close)
        except Exception:
            logger.exception("a socket's credentials could not be checked")
            self._finish(Close(protocol.INTERNAL_ERROR, "Internal server error"))

    async def _checked(self, check: Coroutine[Any, Any, None]) -> None:
        try:
            await check
        except Unauthenticated:
            raise Close(protocol.FORBIDDEN, "Forbidden") from None
        except GatewayError:
            raise Close(protocol.TRY_AGAIN_LATER, "The credentials can't be checked") from None

    async def _handle(self, message: Message) -> None:
        match message.type:
            case "connection_init":
                if self._init_received:
                    raise Close(protocol.TOO_MANY_INITS, "Too many initialisation requests")
                self._init_received = True
                # Not awaited here: what a client sends before the answer must be noticed (4401, 4429).
                self._spawn(self._initialise(message.payload or {}))
            case "ping":
                await self._emit(self._dialect.plain("pong", message.payload))
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                task = self._operations.pop(message.id, None)
                if task is not None:
                    task.cancel()
            case "terminate":
                raise Close(protocol.NORMAL, "Terminated")

    async def _initialise(self, payload: Mapping[str, Any]) -> None:
        credentials = self._core.identity.credentials(self._headers, self._client, payload)
        watch = CallerWatch(self._core.identity, credentials)
        await self._checked(watch.begin())
        self._watch = watch
        self._is_acknowledged = True
        if self._acknowledgement is not None:
            self._acknowledgement.set()
        if self._core.identity.is_checked and not self._end.done():
            self._core.rechecks.add(self)
        await self._emit(self._dialect.plain("connection_ack"))

    async def _subscribe(self, message: Message) -> None:
        if not self._is_acknowledged:
            if not (self._dialect.is_hasty and self._init_received):
                raise Close(protocol.UNAUTHORIZED, "Unauthorized")
            self._acknowledgement = self._acknowledgement or asyncio.Event()
            await self._acknowledgement.wait()
        request = protocol.request_of(message)
        if message.id in self._operations:
            raise Close(protocol.DUPLICATE_ID, f"Subscriber for {message.id} already exists")
        if self._draining or len(self._operations) >= self._config.max_operations:
            reason = "The server is going away." if self._draining else "Too many operations on this socket."
            entry = ErrorEntry(reason, errors.LIMIT_EXCEEDED)
            await self._emit(self._dialect.about(message.id, "error", encode([entry.to_json()])))
            return
        task = asyncio.get_running_loop().create_task(self._operation(message.id, request))
        self._operations[message.id] = task
        task.add_done_callback(lambda done: self._forget(message.id, done))

    def _forget(self, identifier: str, task: asyncio.Task[None]) -> None:
        # The client may have completed it and used the id again.
        if self._operations.get(identifier) is task:
            del self._operations[identifier]
        self._queries.discard(task)

    async def _operation(self, identifier: str, request: GraphQLRequest) -> None:
        started, kind = time.perf_counter(), "unknown"
        try:
            hooks, context = self._core.hooks, self._context()
            if hooks is not None:
                watch = self._watch
                assert watch is not None
                request = await hooks.request(request, watch.headers, watch.client.address, context)
            prepared = await self._core.gateway.prepare(request.query, request.operation_name, context)
            kind = prepared.operation.kind
            if kind == "subscription":
                context.last_event_id = last_event_id(request)
                with self._core.subscribing(context, self._client):
                    await self._stream(identifier, prepared, request, context)
                await self._last(identifier, self._dialect.about(identifier, "complete"))
                self._core.failed(kind, started, "ok")
            else:
                await self._once(identifier, prepared, request, context, started)
        except asyncio.CancelledError:
            self._core.failed(kind, started, "client_gone")
            raise
        except Close as close:
            self._finish(close)
        except OSError:
            self._finish(None)
        except Exception as error:
            failure = describe(error)
            self._core.failed(kind, started, failure.code)
            with suppress(Close):
                await self._last(identifier, self._dialect.about(identifier, "error", encode(failure.to_json())))

    async def _once(
        self, identifier: str, prepared: Prepared, request: GraphQLRequest, context: RequestContext, started: float
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._queries.add(task)
        with self._core.working():
            await self._run(identifier, prepared, request, context, started)

    async def _run(
        self, identifier: str, prepared: Prepared, request: GraphQLRequest, context: RequestContext, started: float
    ) -> None:
        if prepared.deferred is not None:
            await self._in_parts(identifier, prepared, request, context, started)
            return
        work = self._core.gateway.run(prepared, request.variables, context)
        result = await (self._core.to_the_end(work) if prepared.operation.kind == "mutation" else work)
        self._core.ended(prepared.operation.kind, started, result)
        await self._emit(self._dialect.about(identifier, "next", result.to_bytes()))
        await self._last(identifier, self._dialect.about(identifier, "complete"))

    async def _in_parts(
        self, identifier: str, prepared: Prepared, request: GraphQLRequest, context: RequestContext, started: float
    ) -> None:
        """Run an operation with `@defer`: what is deferred comes in further `next` messages."""
        kind, form = prepared.operation.kind, PendingForm()
        payloads = self._core.gateway.deliver(prepared, request.variables, context)
        first = _First(payloads)
        try:
            payload = await (self._core.to_the_end(first.pull()) if kind == "mutation" else anext(payloads))
        except asyncio.CancelledError:
            await first.abandon()
            raise
        async with aclosing(payloads):
            payload, body = first_payload_bytes(form, payload)
            assert payload.result is not None
            await self._emit(self._dialect.about(identifier, "next", body))
            if payload.has_next:
                async for later in payloads:
                    await self._emit(self._dialect.about(identifier, "next", payload_bytes(form, later)))
            self._core.ended(kind, started, payload.result)
        await self._last(identifier, self._dialect.about(identifier, "complete"))

    async def _stream(
        self, identifier: str, prepared: Prepared, request: GraphQLRequest, context: RequestContext
    ) -> None:
        if self._watch is not None:
            watch = self._watch
            self._core.identity.share(context, lambda: watch.caller, watch.headers)
        changes = self._watch.changes if self._watch is not None else 0
        results = self._core.gateway.stream(prepared, request.variables, context)
        try:
            async for result in results:
                if self._watch is not None:
                    await self._checked(self._watch.fresh(self._core.config.max_check_age_seconds))
                    await self._watch.still(changes, float("inf"))
                await self._emit(self._dialect.about(identifier, "next", result.to_bytes()))
                del result
        finally:
            close = getattr(results, "aclose", None)
            if close is not None:
                await close()

    async def _last(self, identifier: str, text: str) -> None:
        # The id is free from the moment the client can know that it is.
        if self._operations.get(identifier) is asyncio.current_task():
            del self._operations[identifier]
            await self._emit(text)

    def _context(self) -> RequestContext:
        watch = self._watch
        assert watch is not None
        return self._core.identity.context(lambda: watch.caller, watch.headers, watch.client)


class _First:
    """The first payload of a mutation, which runs to its end though the client may be gone; later payloads don't."""

    def __init__(self, payloads: AsyncGenerator[Payload, None]) -> None:
        self._payloads = payloads
        self._pulling = self._abandoned = False

    async def pull(self) -> Payload:
        self._pulling = True
        try:
            return await anext(self._payloads)
        finally:
            self._pulling = False
            if self._abandoned:
                await self._payloads.aclose()

    async def abandon(self) -> None:
        self._abandoned = True
        if not self._pulling:
            await self._payloads.aclose()
