"""Before the server stops: not ready, nothing new, streams and sockets sent away, what runs is finished."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from botberi_gateway.config import GatewayConfig, ServerConfig
from botberi_gateway.server.app import create_app
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import World, toy_gateway

PROTOCOLS = [Subprotocol("graphql-transport-ws")]
WORLD = World()


@pytest.fixture
def server() -> Iterator[LiveServer]:
    with live(
        lambda: create_app(toy_gateway(WORLD), GatewayConfig(server=ServerConfig(drain_timeout_seconds=5)))
    ) as server:
        yield server


async def opened(server: LiveServer, query: str) -> ClientConnection:
    socket = await connect(server.socket_url, subprotocols=PROTOCOLS)
    await socket.send('{"type":"connection_init"}')
    await socket.recv()
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
    return socket


async def read(socket: ClientConnection) -> Any:
    async with asyncio.timeout(5):
        return json.loads(await socket.recv())


async def test_everything_at_once(server: LiveServer) -> None:
    watching = await opened(server, "subscription { forever }")
    assert (await read(watching))["payload"] == {"data": {"forever": 1}}
    asking = await opened(server, "{ slow(seconds: 0.5) }")
    changing = await opened(server, 'mutation { slowRename(name: "Last", seconds: 0.5) { name } }')
    async with aiohttp.ClientSession() as session:
        url, accept = server.url + "/graphql", {"accept": "text/event-stream"}
        stream = await session.post(url, json={"query": "subscription { forever }"}, headers=accept)
        assert await stream.content.readline() == b"event: next\n"
        posted = asyncio.create_task(session.post(url, json={"query": "{ slow(seconds: 0.6) }"}))
        await asyncio.sleep(0.2)
        draining = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(server.app.state.drain(), server.loop))
        # Sockets without a query are sent away at once, to come back elsewhere: no `complete`.
        with pytest.raises(ConnectionClosed):
            await read(watching)
        assert watching.close_code == 1001
        rest = await asyncio.wait_for(stream.content.read(), 5)
        assert b"complete" not in rest
        assert (await session.get(server.url + "/ready")).status == 503
        assert (await session.get(server.url + "/health")).status == 200
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.socket_url, subprotocols=PROTOCOLS)
        assert refused.value.response.status_code == 503
        # What runs ends, and its result is sent.
        assert (await read(asking))["payload"] == {"data": {"slow": "done"}}
        assert (await read(changing))["payload"] == {"data": {"slowRename": {"name": "Last"}}}
        assert (await (await posted).json())["data"] == {"slow": "done"}
        await asyncio.wait_for(draining, 5)
    for socket in (asking, changing):
        assert (await read(socket))["type"] == "complete"
        with pytest.raises(ConnectionClosed):
            await read(socket)
        assert socket.close_code == 1001
    assert WORLD.streams == 0
