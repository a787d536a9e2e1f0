"""V8, W10, W24, W25: connections that are held for nothing. Each ends by itself, and an address has only so many."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from botberi_gateway.config import GatewayConfig, ServerConfig, TransportConfig, WebSocketConfig
from botberi_gateway.server.app import create_app
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import toy_gateway

CONFIG = GatewayConfig(
    server=ServerConfig(
        header_timeout_seconds=1.0,
        linger_timeout_seconds=1.0,
        max_linger_bytes=200_000,
        write_timeout_seconds=1.0,
        max_connections_per_address=20,
    ),
    transport=TransportConfig(
        body_timeout_seconds=1.0,
        max_subscriptions_per_address=3,
        websocket=WebSocketConfig(max_sockets_per_address=5, max_messages_per_second=10, max_message_burst=50),
    ),
)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with live(lambda: create_app(toy_gateway(), CONFIG), CONFIG) as server:
        yield server


def connected(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


EARLY = {
    "a probe with a body": b"GET /health HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n",
    "a wrong method": b"POST /health HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n",
    "no such page": b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n",
    "a wrong type": b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\n",
    "too large a body": b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"content-length: 9999999\r\n\r\n",
    "chunks": b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
    "no request": b"GET / HTTP/1.1\r\n\r\n",
    "an upgrade": b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
}


@pytest.mark.parametrize("case", EARLY)
def test_a_body_that_drips_after_the_answer_holds_nothing(server: LiveServer, case: str) -> None:
    began = time.monotonic()
    with connected(server) as raw:
        raw.sendall(EARLY[case])
        text = raw.recv(65536)
        assert b"connection: close" in text.lower()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 8:
                raw.sendall(b"x")
                time.sleep(0.05)
    assert time.monotonic() - began < 5


def test_a_body_that_pours_after_the_answer_is_not_read_for_ever(server: LiveServer) -> None:
    with connected(server) as raw:
        raw.sendall(EARLY["too large a body"].replace(b"9999999", b"999999999999"))
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 100_000_000:
                raw.sendall(b"x" * 10_000)
                sent += 10_000
        assert sent < 50_000_000


def test_a_client_that_sends_its_whole_body_gets_the_early_answer(server: LiveServer) -> None:
    """Closed at once with unread bytes, the kernel would take the answer back."""
    with connected(server) as raw:
        raw.sendall(EARLY["too large a body"])
        for _ in range(10):
            raw.sendall(b"x" * 10_000)
        text = b""
        while piece := raw.recv(65536):
            text += piece
        assert text.startswith(b"HTTP/1.1 413 ")


def test_an_answer_that_no_client_takes_is_not_kept(server: LiveServer) -> None:
    body = json.dumps({"query": "{ big(size: 20000000) }"}).encode()
    head = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
        body
    )
    with connected(server) as raw:
        # Far smaller than the answer; with a smaller one still, what the kernel has would trickle for 100 s.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 500_000)
        raw.sendall(head + body)
        time.sleep(6)
        text = b""
        with contextlib.suppress(OSError):
            while piece := raw.recv(1_000_000):
                text += piece
        assert len(text) < 20_000_000


@pytest.mark.parametrize("size", [70_000, 1_000_000])
@pytest.mark.parametrize("whole", [True, False])
def test_w10_the_heads_limit_counts_from_its_first_byte(server: LiveServer, size: int, whole: bool) -> None:
    with connected(server) as raw:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            raw.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nx: " + b"y" * size + (b"\r\n\r\n" if whole else b""))
        assert raw.recv(12) == b"HTTP/1.1 431"
        assert time.monotonic() - began < 5


def test_w10_a_head_within_the_limit_is_read_however_it_is_cut(server: LiveServer) -> None:
    with connected(server) as raw:
        head = b"GET /health HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 60_000 + b"\r\n\r\n"
        for start in range(0, len(head), 7_000):
            raw.sendall(head[start : start + 7_000])
        assert raw.recv(12) == b"HTTP/1.1 200"


def test_one_address_has_only_so_many_connections_and_gets_them_back(server: LiveServer) -> None:
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(connected(server)) for _ in range(25)]
            for raw in opened:
                raw.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            statuses = [raw.recv(12)[-3:] for raw in opened]
            assert statuses.count(b"200") == 20
            assert statuses.count(b"429") == 5
        time.sleep(1.5)


def test_connections_of_a_trusted_proxy_are_not_counted() -> None:
    config = GatewayConfig(
        server=ServerConfig(max_connections_per_address=2), transport=TransportConfig(trusted_proxies=("127.0.0.1",))
    )
    with live(lambda: create_app(toy_gateway(), config), config) as server, contextlib.ExitStack() as stack:
        for raw in [stack.enter_context(connected(server)) for _ in range(10)]:
            raw.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert raw.recv(12) == b"HTTP/1.1 200"


@contextlib.asynccontextmanager
async def opened(server: LiveServer, count: int = 1):  # type: ignore[no-untyped-def]
    async with contextlib.AsyncExitStack() as stack:
        sockets = []
        for _ in range(count):
            opening = connect(server.socket_url, subprotocols=["graphql-transport-ws"])  # type: ignore[list-item]
            sockets.append(await stack.enter_async_context(opening))
            await sockets[-1].send(json.dumps({"type": "connection_init"}))
            assert json.loads(await sockets[-1].recv())["type"] == "connection_ack"
        yield sockets


async def closed_with(client: ClientConnection) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await asyncio.wait_for(client.recv(), 10)
    return client.close_code


@pytest.mark.parametrize("message", ['{"type":"ping"}', '{"type":"subscribe","id":"%d","payload":{"query":"{hello}"}}'])
async def test_w24_a_socket_that_floods_is_closed(server: LiveServer, message: str) -> None:
    async with opened(server) as [client]:
        with contextlib.suppress(ConnectionClosed):
            for number in range(5_000):
                await client.send(message % number if "%d" in message else message)
        assert await closed_with(client) == 4429


async def test_w24_so_is_one_that_floods_with_control_frames(server: LiveServer) -> None:
    async with opened(server) as [client]:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(5_000):
                await client.ping()
                await asyncio.sleep(0)
        assert await closed_with(client) == 1008


async def test_w25_one_address_has_only_so_many_sockets(server: LiveServer) -> None:
    for _ in range(2):
        async with opened(server, 5):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(server.socket_url, subprotocols=["graphql-transport-ws"]):  # type: ignore[list-item]
                    pass
            assert refused.value.response.status_code == 429
        await asyncio.sleep(0.3)


async def test_w25_and_only_so_many_subscriptions_over_all_of_them(server: LiveServer) -> None:
    async with opened(server, 2) as clients:
        for number in range(3):
            payload = {"query": "subscription { forever }"}
            await clients[number % 2].send(json.dumps({"type": "subscribe", "id": str(number), "payload": payload}))
        await asyncio.sleep(0.3)
        await clients[0].send(
            json.dumps({"type": "subscribe", "id": "x", "payload": {"query": "subscription { forever }"}})
        )
        while (answer := json.loads(await asyncio.wait_for(clients[0].recv(), 10)))["id"] != "x":
            pass
        assert answer["type"] == "error"
        assert answer["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
