"""A stream of results as a long HTTP response.

It waits at the same time for the next result, for the client to go, for the server to stop, and for the next check of
credentials or sign of life.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botberi_gateway.engine import GraphQLRequest, Prepared, RequestContext
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.transport.core import Core
from botberi_gateway.transport.exchange import Exchange
from botberi_gateway.transport.problem import Failure, describe
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
    async with asyncio.timeout(core.config.send_timeout_seconds):
        await exchange.send({"type": "http.response.body", "body": text, "more_body": more})


#: Longer than any operation runs.
_NEVER: Final = 86_400.0


class Stream:
    """Sends results until the stream ends, for whichever reason comes first."""

    def __init__(
        self, core: Core, exchange: Exchange, watch: CallerWatch, frames: Frames, *, ends_with_server: bool = True
    ) -> None:
        self._core, self._exchange, self._watch, self._frames = core, exchange, watch, frames
        self._ends_with_server = ends_with_server
        self._next_check = time.monotonic() + core.config.recheck_interval_seconds
        self._next_sign = time.monotonic() + core.config.sse_keep_alive_seconds

    async def run(self, results: AsyncIterator[ExecutionResult] | AsyncIterator[Encoded]) -> str:
        """Returns the outcome: `ok`, `client_gone`, `draining`, `slow_client` or an error's code."""
        loop, core = asyncio.get_running_loop(), self._core
        gone = loop.create_task(_disconnect(self._exchange.receive))
        stopping = loop.create_task(core.draining.wait() if self._ends_with_server else asyncio.sleep(_NEVER))
        upcoming: asyncio.Task[Any] = loop.create_task(_pull(results))
        try:
            while True:
                pause = max(0.0, min(self._next_check, self._next_sign) - time.monotonic())
                done, _ = await asyncio.wait(
                    {upcoming, gone, stopping}, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                if gone in done:
                    return "client_gone"
                if upcoming in done:
                    result = upcoming.result()
                    if result is None:
                        await self._send(self._frames.complete, more=False)
                        return "ok"
                    await self._watch.fresh(core.config.max_check_age_seconds)
                    await self._send(self._frames.next(result))
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
            await self._send(self._frames.failure(failure), more=False)
            return failure.code
        finally:
            for task in (gone, stopping, upcoming):
                task.cancel()
            await asyncio.gather(gone, stopping, upcoming, return_exceptions=True)
            close = getattr(results, "aclose", None)
            if close is not None:
                await close()

    async def _tick(self) -> None:
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + self._core.config.recheck_interval_seconds
            await self._watch.tick()
        if now >= self._next_sign:
            await self._send(self._frames.keep_alive)

    async def _send(self, text: bytes, *, more: bool = True) -> None:
        await send_some(self._core, self._exchange, text, more=more)
        self._next_sign = time.monotonic() + self._core.config.sse_keep_alive_seconds


async def _pull(
    results: AsyncIterator[ExecutionResult] | AsyncIterator[Encoded],
) -> ExecutionResult | Encoded | None:
    return await anext(results, None)


async def _disconnect(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
