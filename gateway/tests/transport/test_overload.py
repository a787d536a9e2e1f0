"""More requests than may be under way, and clients that go: what is refused, what ends, what runs to its end."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from websockets.sync.client import connect

from botberi_gateway.config import GatewayConfig, TransportConfig
from botberi_gateway.server.app import create_app
from gateway.tests.support.callers import CallerHeader, Tokens
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import World, toy_gateway
from gateway.tests.transport.conftest import Setup

MAX: Final = 3


@pytest.fixture(scope="module", params=["quick", "asgi"])
def small(request: pytest.FixtureRequest) -> Iterator[Setup]:
    """A gateway that does three requests at a time."""
    world, tokens = World(), Tokens()
    config = GatewayConfig(transport=TransportConfig(max_requests=MAX))

    def make() -> Any:
        app = create_app(toy_gateway(world), config, authenticator=tokens, subgraph_headers=CallerHeader())
        if request.param == "asgi":
            app.state.quick_door = None
        return app

    with live(make, config) as server:
        yield Setup(server, world, tokens)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def at_work(setup: Setup) -> int:
    return int(setup.server.app.state.graphql_route._app.core.at_work)


def test_what_is_too_much_is_refused_at_once_and_says_when_to_come_back(small: Setup) -> None:
    with ThreadPoolExecutor(MAX) as pool:
        slow = [pool.submit(small.query, "{ slow(seconds: 1) }") for _ in range(MAX)]
        until(lambda: small.world.running == MAX)
        for headers in ({}, {"accept": "text/event-stream"}, {"accept": "application/graphql-response+json"}):
            began = time.monotonic()
            refused = small.query("{ hello }", headers)
            assert time.monotonic() - began < 0.5  # 50 ms on a machine that does nothing else
            assert (refused.status, refused.headers["retry-after"], refused.code) == (503, "1", "OVERLOADED")
            assert refused.headers["cache-control"] == "no-store"
        assert small.request("GET", "/health").status == 200
        with connect(small.server.socket_url, subprotocols=["graphql-transport-ws"]) as client:  # type: ignore[list-item]
            assert socket_answer(client, "{ hello }")["payload"][0]["extensions"]["code"] == "OVERLOADED"
        assert [answer.result().json["data"] for answer in slow] == [{"slow": "done"}] * MAX
    assert small.query("{ hello }").status == 200
    until(lambda: at_work(small) == 0)
    assert b'outcome="OVERLOADED"' in small.request("GET", "/metrics").body


def socket_answer(client: Any, query: str) -> Any:
    begin(client, query)
    return json.loads(client.recv(5))


def begin(client: Any, query: str) -> None:
    client.send(json.dumps({"type": "connection_init"}))
    assert json.loads(client.recv(5))["type"] == "connection_ack"
    client.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))


def test_subscriptions_take_no_place_of_queries(small: Setup) -> None:
    with connect(small.server.socket_url, subprotocols=["graphql-transport-ws"]) as client:  # type: ignore[list-item]
        begin(client, "subscription { forever }")
        assert json.loads(client.recv(5))["payload"] == {"data": {"forever": 1}}
        streams = [open_request(small, "subscription { forever }", "text/event-stream") for _ in range(MAX)]
        until(lambda: small.world.streams == MAX + 1)
        assert at_work(small) == 0
        assert small.query("{ hello }").status == 200
        for stream in streams:
            stream.close()
    until(lambda: small.world.streams == 0)


def open_request(setup: Setup, query: str, accept: str) -> socket.socket:
    """A POST whose answer isn't read."""
    body = json.dumps({"query": query}).encode()
    client = socket.create_connection(("127.0.0.1", setup.server.port), timeout=5)
    head = f"POST /graphql HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\ncontent-type: application/json\r\n"
    client.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return client


ACCEPTS: Final = (
    "application/json",
    "text/event-stream",
    "multipart/mixed; deferSpec=20220824, application/json;q=0.5",
)
#: A query whose only deferred part is quick, so that the first payload is what is waited for.
SLOW: Final = ("{ slow(seconds: 30) }", "{ slow(seconds: 30) me { id ... @defer { name } } }")


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("query", SLOW)
def test_a_query_ends_at_the_subgraphs_when_its_client_goes(small: Setup, accept: str, query: str) -> None:
    client = open_request(small, query, accept)
    until(lambda: small.world.running > 0)
    client.close()
    until(lambda: small.world.running == 0)
    until(lambda: at_work(small) == 0)


@pytest.mark.parametrize("accept", ACCEPTS)
def test_a_mutation_runs_to_its_end_when_its_client_goes(small: Setup, accept: str) -> None:
    before = small.world.renames
    client = open_request(small, 'mutation { slowRename(name: "x", seconds: 0.2) { name } }', accept)
    until(lambda: small.world.running > 0)
    client.close()
    until(lambda: small.world.renames == before + 1)
    until(lambda: at_work(small) == 0)


@pytest.mark.parametrize("says", ["complete", "nothing"])
def test_a_socket_that_completes_or_closes_ends_its_query_but_no_mutation(small: Setup, says: str) -> None:
    before = small.world.renames
    for query, renames in (
        ("{ slow(seconds: 30) }", 0),
        ('mutation { slowRename(name: "x", seconds: 0.2) { name } }', 1),
    ):
        with connect(small.server.socket_url, subprotocols=["graphql-transport-ws"]) as client:  # type: ignore[list-item]
            begin(client, query)
            until(lambda: small.world.running > 0)
            if says == "complete":
                client.send(json.dumps({"id": "1", "type": "complete"}))
                until(lambda: small.world.running == 0)
        until(lambda: small.world.running == 0)
        assert small.world.renames == before + renames
    until(lambda: at_work(small) == 0)
