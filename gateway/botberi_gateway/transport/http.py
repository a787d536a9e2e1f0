"""An HTTP request -> a GraphQL response, as the GraphQL-over-HTTP specification has it."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from botberi_gateway import errors
from botberi_gateway.codec import encode
from botberi_gateway.engine import OVERLOADED, GraphQLRequest, Prepared, RequestContext
from botberi_gateway.errors import ErrorEntry, RequestError
from botberi_gateway.transport import negotiate
from botberi_gateway.transport.batch import answer_batch
from botberi_gateway.transport.body import ClientGone
from botberi_gateway.transport.core import Core, Written
from botberi_gateway.transport.exchange import Exchange, send_bytes
from botberi_gateway.transport.identity import decode_headers
from botberi_gateway.transport.multipart import PartFrames
from botberi_gateway.transport.parameters import from_body, from_query_string, last_event_id
from botberi_gateway.transport.parts import send_parts
from botberi_gateway.transport.problem import (
    BUSY,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    RETRY_SOON,
    UNSUPPORTED_MEDIA_TYPE,
    HttpProblem,
    describe,
)
from botberi_gateway.transport.sharing import asker
from botberi_gateway.transport.sse import fail_as_events, stream_events
from botberi_gateway.transport.streaming import stream_subscription
from botberi_gateway.transport.uploads import read_form
from botberi_gateway.transport.watch import CallerWatch

_OFFERED: Final = (negotiate.JSON, negotiate.GRAPHQL_JSON, negotiate.EVENT_STREAM)
_ALLOWED: Final = ((b"allow", b"GET, POST, OPTIONS"),)
_POST_ONLY: Final = ((b"allow", b"POST"),)
_NO_STREAM: Final = (
    "A subscription needs a WebSocket (graphql-transport-ws), `accept: text/event-stream` "
    "or `accept: multipart/mixed; subscriptionSpec=1.0`."
)
_ACCEPT_POST: Final = ((b"accept-post", b"application/json; charset=utf-8"),)


async def serve_http(core: Core, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """Answer one request at the endpoint."""
    headers = decode_headers(scope["headers"])
    note = scope.get("state", {}).setdefault("graphql", {}) if "state" in scope else {}
    client = core.clients.resolve(scope.get("client"), headers)
    exchange = Exchange(scope["method"], headers, client, receive, send, note)
    if exchange.method == "OPTIONS":
        await send_bytes(send, 204, b"", [*core.origins.preflight(headers), *_ALLOWED])
        return
    if not core.begin(exchange):
        note["outcome"] = OVERLOADED
        await exchange.respond(503, BUSY, (*core.origins.cors(headers), *RETRY_SOON))
        return
    try:
        await answer(core, exchange, scope["query_string"])
    finally:
        core.end(exchange)
        if exchange.close_files is not None:
            exchange.close_files()


async def answer(core: Core, exchange: Exchange, query_string: bytes = b"") -> None:
    """Answer a request, whichever server read it. Every error becomes a response; only `CancelledError` is raised."""
    exchange.extra += core.origins.cors(exchange.headers)
    try:
        await _dispatch(core, exchange, query_string)
    except ClientGone:
        exchange.note["outcome"] = "client_gone"
    except Exception as error:
        failure = describe(error)
        exchange.note.setdefault("outcome", failure.code)
        core.failed(exchange.note.get("kind", "unknown"), exchange.started, failure.code)
        if exchange.wants_events and failure.status is None and not exchange.begun:
            await fail_as_events(exchange, failure)
        else:
            await exchange.fail(failure)


async def _dispatch(core: Core, exchange: Exchange, query_string: bytes) -> None:
    """Read and prepare the request, then answer in the form that operation and client need.

    The steps are: negotiate the media type, read the body, authenticate, parse and plan.
    """
    connections = core.event_connections
    if connections is not None and connections.concerns(exchange, query_string):
        await connections.answer(exchange, query_string)
        return
    _negotiate(core, exchange)
    request = await _read(core, exchange, query_string)
    watch = CallerWatch(core.identity, core.identity.credentials(exchange.headers, exchange.client))
    if core.identity.is_checked:
        await watch.begin()
    if isinstance(request, list):
        exchange.note["kind"] = "batch"
        await answer_batch(core, exchange, request, watch)
        return
    context = core.identity.context(
        lambda: watch.caller, watch.headers, watch.client, last_event_id(request, exchange.headers)
    )
    if core.hooks is not None:
        request = await core.hooks.request(request, watch.headers, watch.client.address, context)
    prepared = await core.gateway.prepare(request.query, request.operation_name, context)
    kind = prepared.operation.kind
    exchange.note.update(kind=kind, name=prepared.operation.name)
    if kind == "mutation" and exchange.method == "GET":
        raise HttpProblem(405, "A mutation can't be sent by GET.", METHOD_NOT_ALLOWED, _POST_ONLY)
    if exchange.wants_events:
        await stream_events(core, exchange, prepared, request, context, watch)
        return
    form = negotiate.part_form(exchange.headers.get("accept"))
    if kind == "subscription":
        if form is None:
            raise RequestError([ErrorEntry(_NO_STREAM, errors.BAD_REQUEST)])
        await stream_subscription(core, exchange, prepared, request, context, watch, PartFrames())
    elif form is not None and (prepared.deferred is not None or exchange.parts_only):
        await send_parts(core, exchange, prepared, request, context, form)
    else:
        await _respond(core, exchange, prepared, request, context)


def _negotiate(core: Core, exchange: Exchange) -> None:
    """Decide the media type of the answer. Raises `HttpProblem` (405, 406)."""
    if exchange.method not in ("GET", "POST"):
        raise HttpProblem(405, "GraphQL is served by GET and POST.", METHOD_NOT_ALLOWED, _ALLOWED)
    offered = _OFFERED if core.config.sse else _OFFERED[:2]
    media_type = negotiate.choose(exchange.headers.get("accept"), offered)
    if media_type is None and negotiate.part_form(exchange.headers.get("accept")) is not None:
        exchange.parts_only = True  # what isn't executed is answered in plain JSON all the same
        media_type = negotiate.JSON
    if media_type is None:
        raise HttpProblem(406, f"The gateway answers {', '.join(offered)} in UTF-8.", NOT_ACCEPTABLE)
    if media_type == negotiate.EVENT_STREAM:
        exchange.wants_events = True
    else:
        exchange.media_type = media_type


async def _read(core: Core, exchange: Exchange, query_string: bytes) -> GraphQLRequest | list[Any]:
    content_type = exchange.headers.get("content-type")
    if core.takes_files and (content_type or "").lower().startswith("multipart/form-data"):
        core.origins.check_form(exchange.headers)
        return await read_form(core.config, exchange)
    if (content_type is not None or exchange.method == "POST") and not negotiate.is_json(content_type or ""):
        raise HttpProblem(415, "Send `content-type: application/json` (UTF-8).", UNSUPPORTED_MEDIA_TYPE, _ACCEPT_POST)
    if exchange.method == "GET":
        core.origins.check_get(exchange.headers)
        return from_query_string(query_string)
    config = core.config
    unpacks = config.compression.requests
    body = await exchange.body(config.max_body_bytes, config.body_timeout_seconds, unpacks=unpacks)
    return from_body(body, batching=config.batching.enabled)


async def _respond(
    core: Core, exchange: Exchange, prepared: Prepared, request: GraphQLRequest, context: RequestContext
) -> None:
    """Execute a query or mutation and answer in one piece."""
    if prepared.operation.kind == "mutation":
        # Nothing watches for a disconnect: a mutation that began runs to its end.
        exchange.to_its_end = True
        result, body = await _run(core, prepared, request, context)
    elif core.sharing is None or core.hooks is not None:
        result, body = await exchange.attended(_run(core, prepared, request, context))
    else:
        client = exchange.client if core.identity.depends_on_client else None
        key = id(prepared), encode(request.variables), asker(exchange.headers), client
        loop = asyncio.get_running_loop()
        work = core.sharing.run(key, lambda: loop.create_task(_run(core, prepared, request, context)))
        result, body = await exchange.attended(work)
    exchange.note["outcome"] = core.ended(prepared.operation.kind, exchange.started, result)
    exchange.extra += core.identity.client_headers(result.response_headers, has_errors=bool(result.errors))
    await core.respond(exchange, body)


async def _run(core: Core, prepared: Prepared, request: GraphQLRequest, context: RequestContext) -> Written:
    """The result, and its JSON, which is written once for all who share it."""
    result = await core.gateway.run(prepared, request.variables, context)
    return result, result.to_bytes()
