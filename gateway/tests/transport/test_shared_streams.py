"""Streams of events that many operations share (graphql-sse), and sockets of the older subprotocol `graphql-ws`."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from botberi_gateway.config import GatewayConfig, TransportConfig, WebSocketConfig
from botberi_gateway.server.app import create_app
from gateway.tests.support.callers import CallerHeader, Tokens
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import World, toy_gateway
from gateway.tests.transport.conftest import Node, Setup

CONFIG: Final = GatewayConfig(
    transport=TransportConfig(
        sse_single_connection=True,
        sse_keep_alive_seconds=0.2,
        recheck_interval_seconds=0.2,
        allowed_origins=("https://app.example",),
        websocket=WebSocketConfig(legacy_protocol=True, max_operations=3),
    )
)
TOKEN: Final = "x-graphql-event-stream-token"
ADA: Final = {"authorization": "Bearer ada"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Setup]:
    world, tokens = World(), Tokens()

    def make() -> Any:
        return create_app(toy_gateway(world), CONFIG, authenticator=tokens, subgraph_headers=CallerHeader())

    with live(make, CONFIG) as server:
        yield Setup(server, world, tokens)


@dataclass
class Stream:
    """An open stream and the session that its requests are sent with."""

    session: aiohttp.ClientSession
    url: str
    token: str
    response: aiohttp.ClientResponse

    async def post(self, identifier: Any, query: str, **headers: str) -> int:
        body = {"query": query, "extensions": {"operationId": identifier}}
        async with self.session.post(self.url, json=body, headers={TOKEN: self.token, **headers}) as answer:
            return answer.status

    async def end(self, identifier: str) -> int:
        url = f"{self.url}?operationId={identifier}"
        async with self.session.delete(url, headers={TOKEN: self.token}) as answer:
            return answer.status

    async def event(self) -> tuple[str, Any]:
        """The next event that isn't a sign of life."""
        async with asyncio.timeout(10):
            while True:
                line = (await self.response.content.readline()).decode()
                assert line, "the stream has ended"
                if line.startswith("event: "):
                    data = (await self.response.content.readline()).decode().removeprefix("data: ")
                    return line.removeprefix("event: ").strip(), json.loads(data)


async def reserve(session: aiohttp.ClientSession, url: str) -> str:
    async with session.put(url) as answer:
        assert answer.status == 201
        return await answer.text()


@asynccontextmanager
async def stream(setup: Setup, headers: dict[str, str] | None = None) -> AsyncIterator[Stream]:
    url = f"{setup.server.url}/graphql"
    async with aiohttp.ClientSession(headers=headers or ADA) as session:
        token = await reserve(session, url)
        async with session.get(url, headers={TOKEN: token, "accept": "text/event-stream"}) as response:
            assert response.status == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            yield Stream(session, url, token, response)


async def test_operations_share_a_stream(shared: Setup) -> None:
    async with stream(shared) as opened:
        assert await opened.post("q", "{ whoami }") == 202
        assert await opened.event() == ("next", {"id": "q", "payload": {"data": {"whoami": "ada@accounts"}}})
        assert await opened.event() == ("complete", {"id": "q"})
        assert await opened.post("s", "subscription { forever }") == 202
        assert await opened.event() == ("next", {"id": "s", "payload": {"data": {"forever": 1}}})
        assert await opened.post("s", "{ hello }") == 409
        assert await opened.post("t", "subscription { count(to: 2) }") == 202
        counts = [await opened.event() for _ in range(3)]
        assert counts == [
            *(("next", {"id": "t", "payload": {"data": {"count": n}}}) for n in (1, 2)),
            ("complete", {"id": "t"}),
        ]
        assert shared.world.streams == 1
        assert await opened.end("s") == 200
        async with asyncio.timeout(5):
            while shared.world.streams:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_an_invalid_operation_is_a_result_of_errors(shared: Setup) -> None:
    async with stream(shared) as opened:
        assert await opened.post("1", "{ nothing }") == 202
        kind, data = await opened.event()
        assert (kind, data["payload"]["errors"][0]["extensions"]["code"]) == ("next", "GRAPHQL_VALIDATION_FAILED")
        assert await opened.event() == ("complete", {"id": "1"})


async def test_closing_the_stream_ends_its_subscriptions(shared: Setup) -> None:
    async with stream(shared) as opened:
        await opened.post("s", "subscription { forever }")
        await opened.event()
        assert shared.world.streams == 1
    async with asyncio.timeout(5):
        while shared.world.streams:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_stream_is_its_callers_own(shared: Setup) -> None:
    async with stream(shared) as opened:
        assert await opened.post("1", "{ hello }", authorization="Bearer eve") == 404
        assert await opened.post("x" * 200, "{ hello }") == 400
        assert await opened.post(None, "{ hello }") == 400
        async with opened.session.get(f"{opened.url}?token={opened.token}") as again:
            assert again.status == 409
        async with opened.session.post(opened.url, json={"query": "{ hello }"}, headers={TOKEN: "other"}) as other:
            assert other.status == 404
        async with opened.session.post(opened.url, data=b"{}", headers={TOKEN: opened.token}) as no_json:
            assert no_json.status == 415


async def test_the_limit_of_operations_holds_for_a_stream(shared: Setup) -> None:
    async with stream(shared) as opened:
        for number in range(3):
            assert await opened.post(str(number), "subscription { forever }") == 202
            await opened.event()
        assert await opened.post("more", "subscription { forever }") == 202
        kind, data = await opened.event()
        assert (kind, data["payload"]["errors"][0]["extensions"]["code"]) == ("next", "LIMIT_EXCEEDED")


async def test_a_stream_ends_with_its_credentials(shared: Setup) -> None:
    async with stream(shared, {"authorization": "Bearer bob"}) as opened:
        await opened.post("s", "subscription { forever }")
        await opened.event()
        shared.tokens.revoked.add("bob")
        async with asyncio.timeout(5):
            while await opened.response.content.readline():
                pass


async def test_a_stream_that_no_client_reserved_or_that_is_not_open(shared: Setup) -> None:
    url = f"{shared.server.url}/graphql"
    async with aiohttp.ClientSession(headers=ADA) as session:
        token = await reserve(session, url)
        async with session.post(url, json={"query": "{ hello }"}, headers={TOKEN: token}) as answer:
            assert answer.status == 404
        headers = {"origin": "https://app.example", "access-control-request-method": "PUT"}
        async with session.options(url, headers=headers) as preflight:
            assert preflight.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"


async def legacy(setup: Setup, *messages: Any, count: int) -> list[Any]:
    """What a socket of the older subprotocol gets: so many messages."""
    async with connect(setup.server.socket_url, subprotocols=["graphql-ws"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "graphql-ws"
        for message in messages:
            await socket.send(json.dumps(message))
        async with asyncio.timeout(10):
            return [json.loads(await socket.recv()) for _ in range(count)]


INIT: Final = {"type": "connection_init", "payload": {"authorization": "Bearer ada"}}


def start(query: str) -> dict[str, Any]:
    return {"id": "1", "type": "start", "payload": {"query": query}}


async def test_the_older_subprotocol(shared: Setup) -> None:
    # Its clients don't wait for the acknowledgement.
    got = await legacy(shared, INIT, start("subscription { count(to: 2) }"), count=4)
    assert got == [
        {"type": "connection_ack"},
        *({"id": "1", "type": "data", "payload": {"data": {"count": n}}} for n in (1, 2)),
        {"id": "1", "type": "complete"},
    ]
    got = await legacy(shared, INIT, start("{ whoami }"), count=3)
    assert got[1] == {"id": "1", "type": "data", "payload": {"data": {"whoami": "ada@accounts"}}}
    got = await legacy(shared, INIT, start("{ nothing }"), count=2)
    assert (got[1]["type"], got[1]["payload"][0]["extensions"]["code"]) == ("error", "GRAPHQL_VALIDATION_FAILED")


async def test_stop_and_terminate_of_the_older_subprotocol(shared: Setup) -> None:
    async with connect(shared.server.socket_url, subprotocols=["graphql-ws"]) as socket:  # type: ignore[list-item]
        for message in (INIT, start("subscription { forever }")):
            await socket.send(json.dumps(message))
        for _ in range(2):
            await socket.recv()
        await socket.send(json.dumps({"id": "1", "type": "stop"}))
        async with asyncio.timeout(5):
            while shared.world.streams:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await socket.send(json.dumps({"type": "connection_terminate"}))
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000


@pytest.mark.parametrize("messages", [[start("{ hello }")], [{"type": "subscribe", "id": "1", "payload": {}}]])
async def test_the_older_subprotocol_needs_its_own_messages_in_order(shared: Setup, messages: list[Any]) -> None:
    with pytest.raises(ConnectionClosed) as caught:
        await legacy(shared, *messages, count=1)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code in (4400, 4401)


@pytest.mark.timeout(150)
def test_npms_clients_share_a_stream_and_speak_the_older_subprotocol(shared: Setup, node: Node) -> None:
    got = node.run("shared.mjs", f"{shared.server.url}/graphql")
    user = {"data": {"users": {"id": "1", "reviews": [{"body": "fine"}]}}}
    for name in ("single", "legacy"):
        assert got[name]["query"] == [{"data": {"hello": f"hello {name}", "whoami": "ada@accounts"}}]
        assert got[name]["subscription"] == [user, user]
        assert got[name]["together"] == [[{"data": {"count": n + 1}} for n in range(to)] for to in (3, 2, 1)]
        assert "nothing" in str(got[name]["invalid"])
