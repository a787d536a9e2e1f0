"""The short way for plain POSTs: when it is taken, and that nothing is lost on it."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from botberi_gateway.config import GatewayConfig, ServerConfig
from botberi_gateway.server.app import create_app
from botberi_gateway.server.quick import quick_door
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import World, toy_gateway

WORLD = World()


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with live(lambda: create_app(toy_gateway(WORLD))) as server:
        yield server


def post(query: str, more: str = "") -> bytes:
    body = json.dumps({"query": query}).encode()
    head = f"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def connected(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def answers(raw: socket.socket, count: int) -> list[Any]:
    """The bodies of so many answers, in order."""
    text, bodies = b"", []
    while len(bodies) < count:
        head, end, rest = text.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
        if end and len(rest) >= length:
            bodies.append(json.loads(rest[:length]))
            text = rest[length:]
            continue
        piece = raw.recv(65536)
        assert piece, text
        text += piece
    return bodies


ME = {"data": {"me": {"name": "Ada"}}}


class Passing:
    """Middleware that does nothing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, *arguments: Any) -> None:
        await self.app(*arguments)


async def test_nothing_that_stands_in_front_is_passed_by() -> None:
    def mine(_: Any) -> PlainTextResponse:
        return PlainTextResponse("mine")

    assert quick_door(create_app(toy_gateway(World()))) is not None
    assert quick_door(create_app(toy_gateway(World()), GatewayConfig(server=ServerConfig(path="/")))) is not None
    in_front = create_app(toy_gateway(World()), routes=[Route("/graphql", mine, methods=["POST"])])
    assert quick_door(in_front) is None
    wrapped = create_app(toy_gateway(World()))
    wrapped.user_middleware.append(Middleware(Passing))
    assert quick_door(wrapped) is None


@pytest.mark.parametrize("cut", [1, 30, 90, 100, -20, -1])
def test_a_request_in_two_packets(server: LiveServer, cut: int) -> None:
    whole = post("{ me { name } }")
    with connected(server) as raw:
        for _ in range(2):
            raw.sendall(whole[:cut])
            time.sleep(0.05)
            raw.sendall(whole[cut:])
            assert answers(raw, 1) == [ME]


def test_pipelined_requests_are_answered_in_order(server: LiveServer) -> None:
    slow, quick = post("{ slow(seconds: 0.2) }"), post("{ me { name } }")
    with connected(server) as raw:
        raw.sendall(slow + quick + quick + slow + quick)
        done = {"data": {"slow": "done"}}
        assert answers(raw, 5) == [done, ME, ME, done, ME]
        raw.sendall(quick)
        assert answers(raw, 1) == [ME]


def test_connection_close_is_kept(server: LiveServer) -> None:
    with connected(server) as raw:
        raw.sendall(post("{ me { name } }", "connection: close\r\n"))
        text = b""
        while piece := raw.recv(65536):
            text += piece
    assert b"connection: close\r\n" in text
    assert text.endswith(json.dumps(ME, separators=(",", ":")).encode())


def test_a_mutation_runs_to_its_end_though_the_client_goes(server: LiveServer) -> None:
    with connected(server) as raw:
        raw.sendall(post('mutation { slowRename(name: "Quick", seconds: 0.3) { name } }'))
        time.sleep(0.1)
    deadline = time.monotonic() + 10
    while True:
        with connected(server) as raw:
            raw.sendall(post("{ me { name } }"))
            if answers(raw, 1) == [{"data": {"me": {"name": "Quick"}}}]:
                break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with connected(server) as raw:
        raw.sendall(post('mutation { slowRename(name: "Ada", seconds: 0) { name } }'))
        answers(raw, 1)
