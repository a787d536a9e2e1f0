"""An array of requests in one body -> an array of responses, as clients send it that batch their operations."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from botberi_gateway import errors
from botberi_gateway.engine import OVERLOADED
from botberi_gateway.errors import ErrorEntry, GatewayError, RequestError
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.plan import OperationKind
from botberi_gateway.transport.core import Core
from botberi_gateway.transport.exchange import Exchange
from botberi_gateway.transport.parameters import from_json
from botberi_gateway.transport.problem import HttpProblem, describe
from botberi_gateway.transport.watch import CallerWatch


async def answer_batch(core: Core, exchange: Exchange, requests: Sequence[Any], watch: CallerWatch) -> None:
    """Execute all requests and answer them in their order; what one of them lacks stands in its place.

    Queries run at the same time. Where there is a mutation, all run one after the other. Each counts as a request under
    way.
    """
    _check(core, exchange, requests)
    batch = _Batch(core, exchange, watch)
    core.at_work += len(requests) - 1
    try:
        bodies = await exchange.attended(batch.run(requests))
    finally:
        core.at_work -= len(requests) - 1
    exchange.note["outcome"] = "ok"
    exchange.extra += core.identity.client_headers(batch.headers, has_errors=batch.has_errors)
    await core.respond(exchange, b"[" + b",".join(bodies) + b"]")


def _check(core: Core, exchange: Exchange, requests: Sequence[Any]) -> None:
    """Raises `HttpProblem` or `GatewayError` where the batch as a whole is refused."""
    maximum = core.config.batching.max_operations
    if exchange.wants_events or exchange.parts_only:
        raise HttpProblem(400, "A batch is answered in JSON, in one piece.")
    if not requests:
        raise HttpProblem(400, "The batch is empty.")
    if len(requests) > maximum:
        raise HttpProblem(400, f"A batch may have {maximum} operations.", errors.LIMIT_EXCEEDED)
    if core.at_work + len(requests) - 1 > core.config.max_requests:
        raise GatewayError("Too many requests are under way; try again.", code=OVERLOADED)


class _Batch:
    """The operations of one batch."""

    def __init__(self, core: Core, exchange: Exchange, watch: CallerWatch) -> None:
        self._core, self._exchange, self._watch = core, exchange, watch
        #: Headers of all subgraphs' answers.
        self.headers: list[tuple[str, str, str]] = []
        self.has_errors = False

    async def run(self, requests: Sequence[Any]) -> list[bytes]:
        """The responses' JSON."""
        prepared = [await self._prepare(request) for request in requests]
        if any(isinstance(entry, _Operation) and entry.kind == "mutation" for entry in prepared):
            return [await self._body(entry) for entry in prepared]
        return await asyncio.gather(*(self._body(entry) for entry in prepared))

    async def _prepare(self, parsed: Any) -> "_Operation | Exception":
        core, watch = self._core, self._watch
        try:
            request = from_json(parsed)
            context = core.identity.context(lambda: watch.caller, watch.headers, watch.client)
            if core.hooks is not None:
                request = await core.hooks.request(request, watch.headers, watch.client.address, context)
            prepared = await core.gateway.prepare(request.query, request.operation_name, context)
            if prepared.operation.kind == "subscription":
                raise RequestError([ErrorEntry("A batch can't have a subscription.", errors.BAD_REQUEST)])
        except Exception as error:
            return error
        return _Operation(prepared.operation.kind, lambda: core.gateway.run(prepared, request.variables, context))

    async def _body(self, entry: "_Operation | Exception") -> bytes:
        core = self._core
        kind, started = "unknown", time.perf_counter()
        try:
            if isinstance(entry, Exception):
                raise entry
            kind = entry.kind
            work = entry.work()
            result: ExecutionResult = await (core.to_the_end(work) if kind == "mutation" else work)
            core.ended(kind, started, result)
            self.headers += result.response_headers
            self.has_errors = self.has_errors or bool(result.errors)
            return result.to_bytes()
        except Exception as error:
            failure = describe(error)
            core.failed(kind, started, failure.code)
            self.has_errors = True
            return failure.to_bytes()


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation that can be run."""

    kind: OperationKind
    work: Callable[[], Coroutine[Any, Any, ExecutionResult]]
