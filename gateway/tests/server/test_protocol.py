"""What comes before a request's body is bounded in size and time."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from botberi_gateway.config import GatewayConfig, ServerConfig
from botberi_gateway.server.app import create_app
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import toy_gateway

CONFIG = GatewayConfig(server=ServerConfig(header_timeout_seconds=0.5))
BODY = json.dumps({"query": "{ hello }"}).encode()
REQUEST = (
    b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
    + BODY
)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with live(lambda: create_app(toy_gateway(), CONFIG), CONFIG) as server:
        yield server


def connected(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def answers(raw: socket.socket, count: int) -> bytes:
    """What comes until so many bodies are there, or the end."""
    text = b""
    while text.count(b'{"data"') < count and (piece := raw.recv(65536)):
        text += piece
    return text


@pytest.mark.parametrize("start", [b"GET /graphql?query=", b"GET / HTTP/1.1\r\nx-long: ", b"GET / HTTP/1.1\r\n"])
def test_an_endless_head_is_cut_off(server: LiveServer, start: bytes) -> None:
    with connected(server) as raw:
        raw.sendall(start)
        sent = 0
        try:
            while sent < 50_000_000:
                raw.sendall(b"x" * 1000 if start[-2:] != b"\r\n" else b"a: b\r\n" * 200)
                sent += 1000
        except OSError:
            pass
    assert sent < 20_000_000


@pytest.mark.parametrize("start", [b"", b"G", b"POST /graphql HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_that_never_ends_is_not_waited_for(server: LiveServer, start: bytes) -> None:
    with connected(server) as raw:
        raw.sendall(start)
        began = time.monotonic()
        assert raw.recv(12) == b"HTTP/1.1 408"
        assert raw.recv(1000).endswith(b"\r\n\r\n")
        assert raw.recv(1) == b""
        assert time.monotonic() - began < 3


def test_a_drip_of_headers_does_not_help(server: LiveServer) -> None:
    with connected(server) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\n")
        began = time.monotonic()
        try:
            while time.monotonic() - began < 4:
                raw.sendall(b"x: y\r\n")
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - began < 3


def test_requests_in_pieces_and_in_a_row_are_answered(server: LiveServer) -> None:
    with connected(server) as raw:
        for byte in REQUEST[:40]:
            raw.sendall(bytes([byte]))
        raw.sendall(REQUEST[40:])
        assert answers(raw, 1).startswith(b"HTTP/1.1 200")
        time.sleep(0.7)
        raw.sendall(REQUEST * 3)
        assert answers(raw, 3).count(b"HTTP/1.1 200") == 3
        raw.sendall(REQUEST)
        assert answers(raw, 1).startswith(b"HTTP/1.1 200")
