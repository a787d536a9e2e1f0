"""A broken or malicious subgraph on a WebSocket: an error with a code in bounded time, and nothing is left open."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from botberi_gateway import errors
from botberi_gateway.config import InProcessConfig, SubgraphConfig, SubgraphSocketConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream import AsgiClient, HttpClient, SubgraphRequest
from gateway.tests.upstream.hostile import answers_and_closes, hangs, hostile, response

INVALID = errors.SUBGRAPH_INVALID_RESPONSE
UNREACHABLE = errors.SUBGRAPH_UNREACHABLE
TIMEOUT = errors.SUBGRAPH_TIMEOUT
OPTIONS = SubgraphConfig(
    websocket=SubgraphSocketConfig(
        open_timeout_seconds=0.5,
        ack_timeout_seconds=0.5,
        max_message_bytes=10_000,
        ping_interval_seconds=0.2,
        ping_timeout_seconds=0.2,
    )
)
REQUEST = SubgraphRequest("subscription { a }", kind="subscription")
ACK = json.dumps({"type": "connection_ack"})
NEXT = json.dumps({"id": "1", "type": "next", "payload": {"data": {"a": 1}}})
Behaviour = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def websocket_server(behaviour: Behaviour, **options: Any) -> AsyncIterator[str]:
    async def handler(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await behaviour(connection)

    subprotocols = options.pop("subprotocols", ["graphql-transport-ws"])
    async with serve(handler, "127.0.0.1", 0, subprotocols=subprotocols, close_timeout=0.2, **options) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/graphql"


def says(*messages: str | bytes, code: int | None = 1000) -> Behaviour:
    """Waits for `connection_init`, says all, then closes (or waits, with `code` None)."""

    async def behaviour(connection: ServerConnection) -> None:
        await connection.recv()
        for message in messages:
            await connection.send(message)
        if code is None:
            await connection.wait_closed()
        else:
            await connection.close(code)

    return behaviour


def message(**values: Any) -> str:
    return json.dumps(values)


async def silent(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def dead(connection: ServerConnection) -> None:
    """Acknowledges, then stops reading: pings aren't answered."""
    await connection.recv()
    await connection.send(ACK)
    connection.transport.pause_reading()
    await asyncio.sleep(1.5)


REFUSED: dict[str, tuple[Behaviour, str]] = {
    "no acknowledgement": (silent, TIMEOUT),
    "closes instead of acknowledging": (says(code=4403), UNREACHABLE),
    "closes within": (says(ACK, code=1011), UNREACHABLE),
    "closes normally within": (says(ACK, code=1000), UNREACHABLE),
    "data before the acknowledgement": (says(NEXT, code=None), INVALID),
    "not JSON": (says(ACK, "hello", code=None), INVALID),
    "a list": (says(ACK, "[]", code=None), INVALID),
    "binary": (says(ACK, b"\x00\x01", code=None), INVALID),
    "lone surrogate": (says(ACK, '{"id":"1","type":"next","payload":{"data":{"a":"\\ud800"}}}', code=None), INVALID),
    "unknown type": (says(ACK, message(type="surprise"), code=None), INVALID),
    "another id": (says(ACK, message(id="2", type="next", payload={"data": {"a": 1}}), code=None), INVALID),
    "no payload": (says(ACK, message(id="1", type="next"), code=None), INVALID),
    "payload of a wrong shape": (says(ACK, message(id="1", type="next", payload={"data": [1]}), code=None), INVALID),
    "malformed error": (says(ACK, message(id="1", type="error", payload="no"), code=None), INVALID),
    "too large": (
        says(ACK, message(id="1", type="next", payload={"data": {"a": "x" * 20_000}}), code=None),
        UNREACHABLE,
    ),
    "dead": (dead, UNREACHABLE),
}


async def collect(client: HttpClient | AsgiClient) -> list[Any]:
    return [answer.data async for answer in client.subscribe(REQUEST)]


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(name: str) -> None:
    behaviour, code = REFUSED[name]
    async with websocket_server(behaviour) as url:
        client = HttpClient("bad", url, OPTIONS)
        with pytest.raises(SubgraphError) as caught:
            await asyncio.wait_for(collect(client), 5)
        await client.aclose()
    assert caught.value.code == code
    assert "127.0.0.1" not in caught.value.message


async def test_no_subprotocol() -> None:
    async with websocket_server(silent, subprotocols=None) as url:
        with pytest.raises(SubgraphError):
            await collect(HttpClient("old", url, OPTIONS))


async def test_redirects_are_not_followed() -> None:
    visited = []

    async def other(connection: ServerConnection) -> None:
        visited.append(connection)

    async with websocket_server(other) as elsewhere:

        def redirect(connection: ServerConnection, _request: Request) -> Response:
            answer = connection.respond(302, "elsewhere")
            answer.headers["Location"] = elsewhere.replace("http", "ws")
            return answer

        async with websocket_server(silent, process_request=redirect) as url:
            with pytest.raises(SubgraphError) as caught:
                await collect(HttpClient("moved", url, OPTIONS))
    assert caught.value.code == UNREACHABLE
    assert not visited


@pytest.mark.parametrize(
    "script", [hangs, answers_and_closes(b""), answers_and_closes(b"\x00\x01"), answers_and_closes(response("no"))]
)
async def test_not_a_websocket(script: Any) -> None:
    async with hostile(script) as server:
        with pytest.raises(SubgraphError) as caught:
            await asyncio.wait_for(collect(HttpClient("http", server.url, OPTIONS)), 5)
    assert caught.value.code in (UNREACHABLE, TIMEOUT)


async def test_pings_are_answered_and_errors_end_it() -> None:
    heard = []

    async def behaviour(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(message(type="ping"))
        heard.append(json.loads(await connection.recv()))
        await connection.send(ACK)
        await connection.recv()
        await connection.send(message(type="pong"))
        await connection.send(NEXT)
        await connection.send(message(id="1", type="error", payload=[{"message": "over"}]))
        await connection.wait_closed()

    async with websocket_server(behaviour) as url:
        client = HttpClient("test", url, OPTIONS)
        found = [answer async for answer in client.subscribe(REQUEST)]
        await client.aclose()
    assert heard == [{"type": "pong"}]
    assert [answer.data for answer in found] == [{"a": 1}, None]
    assert found[-1].errors == [{"message": "over"}]


async def test_headers_go_with_the_handshake() -> None:
    seen: list[Any] = []

    async def behaviour(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers)
        await says(ACK, message(id="1", type="complete"), code=None)(connection)

    async with websocket_server(behaviour) as url:
        client = HttpClient("test", url, OPTIONS)
        request = SubgraphRequest("subscription { a }", headers={"X-Caller": "me", "Sec-WebSocket-Key": "forged"})
        assert [answer async for answer in client.subscribe(request)] == []
    assert seen[0]["x-caller"] == "me"
    assert seen[0].get_all("sec-websocket-key") != ["forged"]


async def test_subscriptions_are_bounded() -> None:
    options = SubgraphConfig(websocket=SubgraphSocketConfig(max_subscriptions=1))
    async with websocket_server(says(ACK, NEXT, code=None)) as url:
        client = HttpClient("busy", url, options)
        first = client.subscribe(REQUEST)
        assert (await anext(first)).data == {"a": 1}
        with pytest.raises(SubgraphError):
            await collect(client)
        await first.aclose()  # type: ignore[attr-defined]
        third = client.subscribe(REQUEST)
        assert (await anext(third)).data == {"a": 1}
        await third.aclose()  # type: ignore[attr-defined]


# -- the same protocol inside the process


def app(*messages: dict[str, Any]) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for item in messages:
            await send(item)

    return application


ACCEPT = {"type": "websocket.accept", "subprotocol": "graphql-transport-ws"}
APPS: dict[str, tuple[Any, str]] = {
    "refuses": (app({"type": "websocket.close", "code": 403}), UNREACHABLE),
    "returns at once": (app(), UNREACHABLE),
    "accepts another protocol": (app({"type": "websocket.accept", "subprotocol": "soap"}), INVALID),
    "accepts and returns": (app(ACCEPT), UNREACHABLE),
    "closes": (app(ACCEPT, {"type": "websocket.close", "code": 4401}), UNREACHABLE),
    "garbage": (app(ACCEPT, {"type": "websocket.send", "text": "{"}), INVALID),
    "binary": (app(ACCEPT, {"type": "websocket.send", "bytes": b"x"}), INVALID),
}


@pytest.mark.parametrize("name", APPS)
async def test_app_refused(name: str) -> None:
    application, code = APPS[name]
    client = AsgiClient("bad", application, InProcessConfig(ack_timeout_seconds=0.5))
    with pytest.raises(SubgraphError) as caught:
        await asyncio.wait_for(collect(client), 5)
    assert caught.value.code == code


async def test_app_that_raises() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("secret")

    client = AsgiClient("bad", application)
    for call in (client.execute(REQUEST), collect(client)):
        with pytest.raises(SubgraphError) as caught:
            await asyncio.wait_for(call, 5)
        assert caught.value.code == UNREACHABLE
        assert "secret" not in caught.value.message


async def test_app_that_never_accepts() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    client = AsgiClient("slow", application, InProcessConfig(ack_timeout_seconds=0.1, timeout_seconds=0.1))
    for call in (client.execute(REQUEST), collect(client)):
        with pytest.raises(SubgraphError) as caught:
            await asyncio.wait_for(call, 5)
        assert caught.value.code == TIMEOUT


async def test_app_whose_answer_is_too_large() -> None:
    stopped = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        try:
            while True:
                await send({"type": "http.response.body", "body": b" " * 1000, "more_body": True})
        finally:
            stopped.set()

    client = AsgiClient("large", application, InProcessConfig(max_response_bytes=50_000))
    with pytest.raises(SubgraphError) as caught:
        await client.execute(REQUEST)
    assert caught.value.code == INVALID
    assert stopped.is_set()


async def test_app_may_work_on_after_its_answer() -> None:
    worked = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"data":{"a":1}}'})
        await asyncio.sleep(0.02)
        worked.set()

    client = AsgiClient("background", application)
    assert (await client.execute(REQUEST)).data == {"a": 1}
    assert not worked.is_set()
    await asyncio.wait_for(worked.wait(), 1)
    await client.aclose()
