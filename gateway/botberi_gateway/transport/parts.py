"""An operation -> a response in parts (`multipart/mixed`, incremental delivery over HTTP)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from botberi_gateway.codec import encode
from botberi_gateway.engine import GraphQLRequest, Prepared, RequestContext
from botberi_gateway.executor import PathForm, Payload, PayloadForm, first_payload_bytes, payload_bytes
from botberi_gateway.transport.connected import while_connected
from botberi_gateway.transport.core import Core
from botberi_gateway.transport.exchange import Exchange
from botberi_gateway.transport.problem import describe

_PART: Final = b"content-type: application/json; charset=utf-8\r\n\r\n"
#: The boundary is sent right behind a part, so that clients need not wait for the next one to know that it is whole.
_FIRST: Final = b"\r\n---\r\n"
_MORE: Final = b"\r\n---\r\n"
_END: Final = b"\r\n-----\r\n"
_TYPES: Final = {
    True: b'multipart/mixed; boundary="-"; deferSpec=20220824',
    False: b'multipart/mixed; boundary="-"; incrementalSpec=v0.2',
}


async def send_parts(
    core: Core,
    exchange: Exchange,
    prepared: Prepared,
    request: GraphQLRequest,
    context: RequestContext,
    form: PayloadForm,
) -> None:
    """Answer in parts; in one piece where nothing comes later, unless the client takes nothing but parts.

    When the client goes, what is under way is cancelled.
    """
    kind = prepared.operation.kind
    async with aclosing(core.gateway.deliver(prepared, request.variables, context)) as payloads:
        # Nothing watches for a disconnect there: a mutation that began runs to its end (what it deferred doesn't).
        first = await (anext(payloads) if kind == "mutation" else while_connected(exchange.receive, _pull(payloads)))
        assert first.result is not None
        exchange.extra += core.identity.client_headers(
            first.result.response_headers, has_errors=bool(first.result.errors)
        )
        first, body = first_payload_bytes(form, first, as_part=exchange.parts_only)
        assert first.result is not None
        if not first.has_next and not exchange.parts_only:
            exchange.note["outcome"] = core.ended(kind, exchange.started, first.result)
            await core.respond(exchange, body)
            return
        await _start(exchange, form)
        try:
            later = payloads if first.has_next else None
            await while_connected(exchange.receive, _send_all(core, exchange, body, later, form))
        except TimeoutError:
            exchange.note["outcome"] = "slow_client"
            core.failed(kind, exchange.started, "slow_client")
            return
        exchange.note["outcome"] = core.ended(kind, exchange.started, first.result)


async def _pull(payloads: AsyncGenerator[Payload, None]) -> Payload:
    return await anext(payloads)


async def _start(exchange: Exchange, form: PayloadForm) -> None:
    headers = [
        (b"content-type", _TYPES[isinstance(form, PathForm)]),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-accel-buffering", b"no"),
        *(pair for pair in exchange.extra if pair[0] != b"cache-control"),
    ]
    exchange.begun = True
    await exchange.send({"type": "http.response.start", "status": 200, "headers": headers})


async def _send_all(
    core: Core,
    exchange: Exchange,
    first: bytes,
    payloads: AsyncGenerator[Payload, None] | None,
    form: PayloadForm,
) -> None:
    await _send(core, exchange, _FIRST + _PART + first, more=payloads is not None)
    if payloads is None:
        return
    try:
        async for payload in payloads:
            await _send(core, exchange, _PART + payload_bytes(form, payload), more=payload.has_next)
    except TimeoutError:
        raise
    except Exception as error:
        failure = describe(error)
        last = encode({"errors": failure.to_json(), "hasNext": False})
        await _send(core, exchange, _PART + last, more=False)


async def _send(core: Core, exchange: Exchange, part: bytes, *, more: bool) -> None:
    async with asyncio.timeout(core.config.send_timeout_seconds):
        body = part + (_MORE if more else _END)
        await exchange.send({"type": "http.response.body", "body": body, "more_body": more})
