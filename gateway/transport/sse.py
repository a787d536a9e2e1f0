"""An operation -> server-sent events (graphql-sse, distinct connections mode)."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from gateway.engine import GraphQLRequest, Prepared, RequestContext
from gateway.executor import ExecutionResult, PendingForm, payload_bytes
from gateway.transport.core import Core
from gateway.transport.exchange import Exchange
from gateway.transport.problem import Failure, describe
from gateway.transport.watch import CallerWatch

_COMPLETE: Final = b"event: complete\ndata:\n\n"
_KEEP_ALIVE: Final = b":\n\n"
#: Longer than any operation runs.
_NEVER: Final = 86_400.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
]


async def stream_events(
    core: Core,
    exchange: Exchange,
    prepared: Prepared,
    request: GraphQLRequest,
    context: RequestContext,
    watch: CallerWatch,
) -> None:
    """Any operation as a stream; a query or mutation is a stream of one result."""
    kind = prepared.operation.kind
    if prepared.deferred is not None:
        await _stream_payloads(core, exchange, prepared, request, context, watch)
        return
    if kind != "subscription":
        result = await core.gateway.run(prepared, request.variables, context)
        exchange.note["outcome"] = core.ended(kind, exchange.started, result)
        exchange.extra += core.identity.client_headers(context)
        await _start(exchange)
        await _send(core, exchange, _next(result.to_bytes()))
        await _send(core, exchange, _COMPLETE, more=False)
        return
    results = core.gateway.stream(prepared, request.variables, context)
    await _start(exchange)
    core.observer.subscriptions(+1)
    try:
        exchange.note["outcome"] = await _Stream(core, exchange, watch).run(results)
    finally:
        core.observer.subscriptions(-1)
    core.failed(kind, exchange.started, exchange.note["outcome"])


async def _stream_payloads(
    core: Core,
    exchange: Exchange,
    prepared: Prepared,
    request: GraphQLRequest,
    context: RequestContext,
    watch: CallerWatch,
) -> None:
    """What the client defers comes in further results."""
    kind, form = prepared.operation.kind, PendingForm()
    async with aclosing(core.gateway.deliver(prepared, request.variables, context)) as payloads:
        first = await anext(payloads)
        assert first.result is not None
        exchange.extra += core.identity.client_headers(context)
        await _start(exchange)
        await _send(core, exchange, _next(payload_bytes(form, first)))

        async def rest() -> AsyncGenerator[Encoded, None]:
            async for payload in payloads:
                yield Encoded(payload_bytes(form, payload))

        outcome = await _Stream(core, exchange, watch, ends_with_server=False).run(rest())
        ended = core.ended(kind, exchange.started, first.result)
        exchange.note["outcome"] = ended if outcome == "ok" else outcome


@dataclass(frozen=True, slots=True)
class Encoded:
    """A result that is JSON already."""

    body: bytes

    def to_bytes(self) -> bytes:
        """The JSON."""
        return self.body


async def fail_as_events(exchange: Exchange, failure: Failure) -> None:
    """A document that can't run, as a stream of one result: an `EventSource` can't read any other answer."""
    await _start(exchange)
    body = _next(failure.to_bytes()) + _COMPLETE
    await exchange.send({"type": "http.response.body", "body": body})


class _Stream:
    """Waits for the next result, the client's going, the server's stopping and the clock, all at once."""

    def __init__(self, core: Core, exchange: Exchange, watch: CallerWatch, *, ends_with_server: bool = True) -> None:
        self._core, self._exchange, self._watch = core, exchange, watch
        self._ends_with_server = ends_with_server
        self._next_tick = time.monotonic() + core.settings.recheck_interval

    async def run(self, results: AsyncIterator[ExecutionResult] | AsyncIterator[Encoded]) -> str:
        loop, core = asyncio.get_running_loop(), self._core
        gone = loop.create_task(_disconnect(self._exchange.receive))
        stopping = loop.create_task(core.draining.wait() if self._ends_with_server else asyncio.sleep(_NEVER))
        upcoming: asyncio.Task[Any] = loop.create_task(_pull(results))
        try:
            while True:
                pause = min(core.settings.sse_keep_alive, max(0.0, self._next_tick - time.monotonic()))
                done, _ = await asyncio.wait(
                    {upcoming, gone, stopping}, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                if gone in done:
                    return "client_gone"
                if upcoming in done:
                    result = upcoming.result()
                    if result is None:
                        await self._send(_COMPLETE, more=False)
                        return "ok"
                    await self._watch.fresh(core.settings.event_recheck_age)
                    await self._send(_next(result.to_bytes()))
                    upcoming = loop.create_task(_pull(results))
                elif stopping in done:
                    # No `complete`: the client shall come back, to another process.
                    await self._send(b"", more=False)
                    return "draining"
                else:
                    await self._tick()
        except TimeoutError:
            return "slow_client"
        except Exception as error:
            failure = describe(error)
            await self._send(_next(failure.to_bytes()) + _COMPLETE, more=False)
            return failure.code
        finally:
            for task in (gone, stopping, upcoming):
                task.cancel()
            await asyncio.gather(gone, stopping, upcoming, return_exceptions=True)
            close = getattr(results, "aclose", None)
            if close is not None:
                await close()

    async def _tick(self) -> None:
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + self._core.settings.recheck_interval
            await self._watch.tick()
        else:
            await self._send(_KEEP_ALIVE)

    async def _send(self, text: bytes, *, more: bool = True) -> None:
        await _send(self._core, self._exchange, text, more=more)


async def _pull(
    results: AsyncIterator[ExecutionResult] | AsyncIterator[Encoded],
) -> ExecutionResult | Encoded | None:
    return await anext(results, None)


async def _disconnect(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(exchange: Exchange) -> None:
    headers = [*_HEADERS, *exchange.extra]
    exchange.begun = True
    await exchange.send({"type": "http.response.start", "status": 200, "headers": headers})


async def _send(core: Core, exchange: Exchange, text: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(core.settings.send_timeout):
        await exchange.send({"type": "http.response.body", "body": text, "more_body": more})


def _next(body: bytes) -> bytes:
    # JSON has no raw line breaks, so one `data` line holds it.
    return b"event: next\ndata: " + body + b"\n\n"
