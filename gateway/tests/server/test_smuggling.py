"""Requests that two servers could read differently: one answer, then the end, and nothing hidden is executed."""

import json
import socket

import pytest

from botberi_gateway.server.app import create_app
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import World, toy_gateway

MUTATION = json.dumps({"query": 'mutation { rename(name: "smuggled") { name } }'}).encode()
HIDDEN = (
    b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(MUTATION)
    + MUTATION
)
HEAD = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"

CASES = {
    "length and chunked": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked and length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": HEAD + b"content-length: 0\r\ncontent-length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "lengths in a list": HEAD + b"content-length: 0, 5\r\n\r\n" + HIDDEN,
    "signed length": HEAD + b"content-length: +0\r\n\r\n" + HIDDEN,
    "hexadecimal length": HEAD + b"content-length: 0x0\r\n\r\n" + HIDDEN,
    "negative length": HEAD + b"content-length: -1\r\n\r\n" + HIDDEN,
    "chunked but not last": HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "unknown encoding": HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "space before the colon": HEAD + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "folded header": HEAD + b"x: a\r\n transfer-encoding: chunked\r\ncontent-length: 0\r\nx y: z\r\n\r\n" + HIDDEN,
    "NUL in a header": HEAD + b"x: a\0b\r\ncontent-length: 0\r\n\r\n" + HIDDEN,
    "bare CR": HEAD + b"x: a\rcontent-length: 0\r\n\r\n" + HIDDEN,
    "chunk size of nonsense": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n\r\n" + HIDDEN,
    "endless chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n" + HIDDEN,
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_hidden_in_a_request_is_executed(case: str) -> None:
    world = World()
    with live(lambda: create_app(toy_gateway(world))) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
            raw.sendall(CASES[case])
            raw.shutdown(socket.SHUT_WR)
            text = b""
            while piece := raw.recv(65536):
                text += piece
        assert text.startswith(b"HTTP/1.1 4"), text[:200]
        assert world.renames == 0
