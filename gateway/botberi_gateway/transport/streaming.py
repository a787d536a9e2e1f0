"""A stream of results as a long HTTP response.

It ends when its results do, when the client goes, when the server stops, or when the caller's credentials are no longer
valid; while it is silent it gives signs of life.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from botberi_gateway.engine import GraphQLRequest, Prepared, RequestContext
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.transport.core import Core
from botberi_gateway.transport.exchange import Exchange
from botberi_gateway.transport.problem import Failure, describe
from botberi_gateway.transport.stepping import rest_of
from botberi_gateway.transport.watch import CallerWatch


@dataclass(frozen=True, slots=True)
class Encoded:
    """A result that is JSON already."""

    body: bytes
    event_id: str | None = None

    def to_bytes(self) -> bytes:
        """The JSON."""
        return self.body


class Frames(Protocol):
    """The form in which a stream is written: server-sent events, or parts."""

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Headers of the response."""
        ...

    @property
    def opening(self) -> bytes:
        """Bytes before the first result, which are sent at once."""
        ...

    @property
    def keep_alive(self) -> bytes:
        """Bytes without a meaning, which keep proxies from closing a silent stream."""
        ...

    @property
    def complete(self) -> bytes:
        """The end of a stream that has completed."""
        ...

    def next(self, result: "ExecutionResult | Encoded") -> bytes:
        """One result."""
        ...

    def failure(self, failure: Failure) -> bytes:
        """Why the stream ends, and its end."""
        ...


async def stream_subscription(
    core: Core,
    exchange: Exchange,
    prepared: Prepared,
    request: GraphQLRequest,
    context: RequestContext,
    watch: CallerWatch,
    frames: Frames,
) -> None:
    """Run a subscription and send its results until it ends."""
    with core.subscribing(context, exchange.client):
        core.end(exchange)
        core.identity.share(context, lambda: watch.caller, watch.headers)
        results = core.gateway.stream(prepared, request.variables, context)
        await start(exchange, frames)
        if frames.opening:
            await send_some(core, exchange, frames.opening)
        exchange.note["outcome"] = await Stream(core, exchange, watch, frames).run(results)
    core.failed(prepared.operation.kind, exchange.started, exchange.note["outcome"])


async def start(exchange: Exchange, frames: Frames) -> None:
    """Send the status and the headers."""
    exchange.begun = True
    common = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"), (b"x-accel-buffering", b"no")]
    extra = [pair for pair in exchange.extra if pair[0] != b"cache-control"]
    headers = [*frames.headers, *common, *extra]
    await exchange.send({"type": "http.response.start", "status": 200, "headers": headers})


async def send_some(core: Core, exchange: Exchange, text: bytes, *, more: bool = True) -> None:
    """Send a piece of the body. Raises `TimeoutError` where the client doesn't read it in time."""
    sending = exchange.send({"type": "http.response.body", "body": text, "more_body": more})
    try:
        # Most pieces are written at once, and need no timer.
        waits_for = sending.send(None)
    except StopIteration:
        return
    async with asyncio.timeout(core.config.send_timeout_seconds):
        await rest_of(sending, waits_for)


class Stream:
    """Sends results until the stream ends, for whichever reason comes first.

    Results are awaited by the task that sends them. What else may happen meanwhile (the client goes, the server stops,
    credentials fail) interrupts that task.
    """

    def __init__(
        self, core: Core, exchange: Exchange, watch: CallerWatch, frames: Frames, *, ends_with_server: bool = True
    ) -> None:
        self._core, self._exchange, self._watch, self._frames = core, exchange, watch, frames
        self._ends_with_server = ends_with_server
        self._next_check = time.monotonic() + core.config.recheck_interval_seconds
        self._next_sign = time.monotonic() + core.config.sse_keep_alive_seconds
        self._task: asyncio.Task[Any] | None = None
        #: Whether the task waits for a result, so that it may be interrupted.
        self._is_waiting = False
        #: Why the stream ends before its results do: an outcome, or what a check raised.
        self._reason: str | Exception | None = None

    async def run(self, results: AsyncIterator[ExecutionResult] | AsyncIterator[Encoded]) -> str:
        """Returns the outcome: `ok`, `client_gone`, `draining`, `slow_client` or an error's code."""
        create = asyncio.get_running_loop().create_task
        self._task = asyncio.current_task()
        beside = [create(self._disconnected()), create(self._ticks())]
        if self._ends_with_server:
            beside.append(create(self._stopped()))
        try:
            return await self._send_all(results)
        except TimeoutError:
            return "slow_client"
        except Exception as error:
            failure = describe(error)
            await self._send(self._frames.failure(failure), more=False)
            return failure.code
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            close = getattr(results, "aclose", None)
            if close is not None:
                await close()

    async def _send_all(self, results: AsyncIterator[ExecutionResult] | AsyncIterator[Encoded]) -> str:
        changes = self._watch.changes
        while self._reason is None:
            result = await self._next(results)
            if self._reason is not None:
                break
            if result is None:
                await self._send(self._frames.complete, more=False)
                return "ok"
            await self._watch.still(changes, self._core.config.max_check_age_seconds)
            await self._send(self._frames.next(result))
            del result  # so that nothing holds it until the next one
        if isinstance(self._reason, Exception):
            raise self._reason
        if self._reason == "draining":
            # No `complete`: the client shall come back, to another process.
            await self._send(b"", more=False)
        return self._reason

    async def _next(
        self, results: AsyncIterator[ExecutionResult] | AsyncIterator[Encoded]
    ) -> ExecutionResult | Encoded | None:
        """The next result; None at the end, or where the stream was interrupted."""
        task = self._task
        assert task is not None
        cancelling = task.cancelling()
        self._is_waiting = True
        try:
            return await anext(results, None)
        except asyncio.CancelledError:
            if self._reason is None or task.uncancel() > cancelling:
                raise  # somebody else cancelled the task
            return None
        finally:
            self._is_waiting = False

    def _end(self, reason: str | Exception) -> None:
        if self._reason is None:
            self._reason = reason
            if self._is_waiting and self._task is not None:
                self._task.cancel()

    async def _disconnected(self) -> None:
        while (await self._exchange.receive())["type"] != "http.disconnect":
            pass
        self._end("client_gone")

    async def _stopped(self) -> None:
        await self._core.draining.wait()
        self._end("draining")

    async def _ticks(self) -> None:
        """Check credentials, and send signs of life, while the stream is silent or not."""
        try:
            while True:
                await asyncio.sleep(max(0.0, min(self._next_check, self._next_sign) - time.monotonic()))
                now = time.monotonic()
                if now >= self._next_check:
                    self._next_check = now + self._core.config.recheck_interval_seconds
                    await self._watch.tick()
                if now >= self._next_sign:
                    await self._send(self._frames.keep_alive)
        except TimeoutError:
            self._end("slow_client")
        except Exception as error:
            self._end(error)

    async def _send(self, text: bytes, *, more: bool = True) -> None:
        await send_some(self._core, self._exchange, text, more=more)
        self._next_sign = time.monotonic() + self._core.config.sse_keep_alive_seconds
