"""An operation -> server-sent events (graphql-sse, distinct connections mode)."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from botberi_gateway.engine import GraphQLRequest, Prepared, RequestContext
from botberi_gateway.executor import ExecutionResult, Payload, PendingForm, first_payload_bytes, payload_bytes
from botberi_gateway.transport.core import Core
from botberi_gateway.transport.exchange import Exchange
from botberi_gateway.transport.problem import Failure
from botberi_gateway.transport.streaming import Encoded, Stream, send_some, start, stream_subscription
from botberi_gateway.transport.watch import CallerWatch


class EventFrames:
    """Writes the events `next` and `complete`.

    An event after which a client can resume has its id, which browsers send back as `Last-Event-ID`.
    """

    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"text/event-stream; charset=utf-8"),)
    opening = b""
    keep_alive = b":\n\n"
    complete = b"event: complete\ndata:\n\n"

    def next(self, result: ExecutionResult | Encoded) -> bytes:
        """JSON has no raw line breaks, so one `data` line holds it."""
        identifier = result.event_id
        # A line break would end the field: such an id can't be resumed from here, but is in the extensions.
        plain = identifier is not None and identifier.isprintable()
        head = f"id: {identifier}\n".encode() if plain else b""
        return head + b"event: next\ndata: " + result.to_bytes() + b"\n\n"

    def failure(self, failure: Failure) -> bytes:
        """One more result, of errors alone."""
        return self.next(Encoded(failure.to_bytes())) + self.complete


_FRAMES: Final = EventFrames()


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
    elif kind == "subscription":
        await stream_subscription(core, exchange, prepared, request, context, watch, _FRAMES)
    else:
        work = core.gateway.run(prepared, request.variables, context)
        # Nothing watches for a disconnect there: a mutation that began runs to its end.
        result = await (work if kind == "mutation" else exchange.attended(work))
        exchange.note["outcome"] = core.ended(kind, exchange.started, result)
        exchange.extra += core.identity.client_headers(result.response_headers, has_errors=bool(result.errors))
        await start(exchange, _FRAMES)
        await send_some(core, exchange, _FRAMES.next(result))
        await send_some(core, exchange, _FRAMES.complete, more=False)


async def _stream_payloads(
    core: Core,
    exchange: Exchange,
    prepared: Prepared,
    request: GraphQLRequest,
    context: RequestContext,
    watch: CallerWatch,
) -> None:
    """An operation with `@defer`: each later payload is a further event."""
    kind, form = prepared.operation.kind, PendingForm()
    async with aclosing(core.gateway.deliver(prepared, request.variables, context)) as payloads:
        first = await (anext(payloads) if kind == "mutation" else exchange.attended(_pull(payloads)))
        assert first.result is not None
        exchange.extra += core.identity.client_headers(
            first.result.response_headers, has_errors=bool(first.result.errors)
        )
        first, body = first_payload_bytes(form, first)
        assert first.result is not None
        await start(exchange, _FRAMES)
        await send_some(core, exchange, _FRAMES.next(Encoded(body)))

        async def rest() -> AsyncGenerator[Encoded, None]:
            if not first.has_next:
                return
            async for payload in payloads:
                yield Encoded(payload_bytes(form, payload))

        outcome = await Stream(core, exchange, watch, _FRAMES, ends_with_server=False).run(rest())
        ended = core.ended(kind, exchange.started, first.result)
        exchange.note["outcome"] = ended if outcome == "ok" else outcome


async def _pull(payloads: AsyncGenerator[Payload, None]) -> Payload:
    return await anext(payloads)


async def fail_as_events(exchange: Exchange, failure: Failure) -> None:
    """A document that can't run, as a stream of one result: an `EventSource` can't read any other answer."""
    await start(exchange, _FRAMES)
    await exchange.send({"type": "http.response.body", "body": _FRAMES.failure(failure)})
