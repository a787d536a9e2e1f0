"""The ready-made server: health, readiness, metrics, request ids, log lines, routes that are added."""

import http.client
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from botberi_gateway.config import GatewayConfig, ServerConfig, TransportConfig
from botberi_gateway.server.app import create_app
from botberi_gateway.transport.app import GraphQLApp
from botberi_gateway.transport.route import GraphQLRoute
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import World, toy_gateway


class Check:
    """A readiness check that tests turn."""

    problem: str | None = None

    async def __call__(self) -> str | None:
        if self.problem == "raise":
            raise RuntimeError("secret")
        return self.problem


CHECK = Check()


async def keys(_: Request) -> Response:
    return JSONResponse({"keys": []})


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with live(
        lambda: create_app(toy_gateway(World()), routes=[Route("/.well-known/jwks.json", keys)], checks={"bus": CHECK})
    ) as server:
        yield server


def call(
    server: LiveServer, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        sent = {"content-type": "application/json"} if body is not None else {}
        connection.request(method, path, None if body is None else json.dumps(body), {**sent, **(headers or {})})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.headers.items()}, response.read()
    finally:
        connection.close()


def test_health_always_answers(server: LiveServer) -> None:
    assert call(server, "GET", "/health")[::2] == (200, b'{"status":"ok"}')


@pytest.mark.parametrize(
    ("problem", "status", "body"),
    [
        (None, 200, {"status": "ready"}),
        ("not connected", 503, {"status": "unavailable", "problems": {"bus": "not connected"}}),
        ("raise", 503, {"status": "unavailable", "problems": {"bus": "the check failed"}}),
    ],
)
def test_readiness_asks_what_it_needs(server: LiveServer, problem: str | None, status: int, body: Any) -> None:
    CHECK.problem = problem
    try:
        found = call(server, "GET", "/ready")
    finally:
        CHECK.problem = None
    assert (found[0], json.loads(found[2])) == (status, body)


def test_routes_can_be_added_and_the_root_leads_to_graphql(server: LiveServer) -> None:
    assert call(server, "GET", "/.well-known/jwks.json")[2] == b'{"keys":[]}'
    status, headers, _ = call(server, "GET", "/")
    assert (status, headers["location"]) == (307, "/graphql")
    assert call(server, "GET", "/nowhere")[0] == 404


def test_metrics_count_what_happened(server: LiveServer) -> None:
    def value(name: str) -> float:
        text = call(server, "GET", "/metrics")[2].decode()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " ")), 0.0)

    names = [
        'gateway_operations_total{kind="query",outcome="ok"}',
        'gateway_operations_total{kind="query",outcome="partial"}',
        'gateway_operations_total{kind="unknown",outcome="GRAPHQL_VALIDATION_FAILED"}',
        'gateway_subgraph_requests_total{outcome="ok",subgraph="reviews"}',
        'gateway_plan_cache_requests_total{result="hit"}',
        'gateway_plan_cache_requests_total{result="failure"}',
        'gateway_operation_duration_seconds_count{kind="query"}',
    ]
    before = [value(name) for name in names]
    for query in ("{ me { reviews { body } } }", "{ me { reviews { body } } }", "{ broken }", "{ nothing }"):
        call(server, "POST", "/graphql", {"query": query})
    assert [value(name) - old for name, old in zip(names, before, strict=True)] == [2, 1, 1, 2, 1, 1, 3]
    assert value("gateway_subscriptions_active") == 0


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1", True), ("a b", False), ("x" * 129, False), (None, False), ('"; drop', False)]
)
def test_request_ids_are_taken_or_made_and_reach_subgraphs(server: LiveServer, sent: str | None, kept: bool) -> None:
    headers = {} if sent is None else {"x-request-id": sent}
    _, answer, body = call(server, "POST", "/graphql", {"query": '{ header(name: "x-request-id") }'}, headers)
    assert answer["x-request-id"] == json.loads(body)["data"]["header"]
    assert (answer["x-request-id"] == sent) is kept


def test_each_request_is_one_line_in_the_log(server: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    def lines(of: str) -> list[str]:
        # The line is written when the client has its answer already.
        deadline = time.monotonic() + 5
        while not (found := [m for m in map(logging.LogRecord.getMessage, caplog.records) if of in m]):
            assert time.monotonic() < deadline, f"no line with {of}"
            time.sleep(0.01)
        return found

    with caplog.at_level(logging.INFO, "botberi_gateway.access"):
        call(server, "POST", "/graphql", {"query": "query Greeting { hello }"}, {"x-request-id": "r1"})
        call(server, "GET", "/health%0aFORGED%20line")
        (graphql,), (forged,) = lines("id=r1 "), lines("FORGED")
    assert graphql.startswith("POST '/graphql' 200 ")
    assert graphql.endswith("id=r1 kind=query name=Greeting outcome=ok")
    assert "\n" not in forged


def test_what_we_did_not_foresee_is_an_id_in_the_answer_and_a_trace_in_the_log(
    server: LiveServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("password=secret in /srv/app.py")

    monkeypatch.setattr(server.app.state.gateway, "prepare", failing)
    status, _, body = call(server, "POST", "/graphql", {"query": "{ hello }"})
    assert status == 500
    error = json.loads(body)["errors"][0]
    assert (error["message"], error["extensions"]["code"]) == ("Internal server error.", "INTERNAL_SERVER_ERROR")
    assert b"secret" not in body
    assert b"srv" not in body
    assert any(error["extensions"]["id"] in record.getMessage() and record.exc_info for record in caplog.records)


@pytest.mark.parametrize("path", ["/", "/api/v1/graphql", "/graphql/"])
def test_the_endpoint_may_be_anywhere(path: str) -> None:
    config = GatewayConfig(server=ServerConfig(path=path, metrics=False), transport=TransportConfig(graphiql=False))
    with live(lambda: create_app(toy_gateway(), config), config) as server:
        for each in {path, path.rstrip("/") or "/"}:
            assert json.loads(call(server, "POST", each, {"query": "{ hello }"})[2]) == {
                "data": {"hello": "hello world"}
            }
        assert call(server, "GET", "/health")[0] == 200
        if path != "/":
            assert call(server, "GET", "/metrics")[0] == 404


def test_the_app_can_be_mounted_in_any_other() -> None:
    def make() -> Starlette:
        return Starlette(routes=[Mount("/inner/graphql", GraphQLApp(toy_gateway()))])

    with live(make) as server:
        found = call(server, "POST", "/inner/graphql/", {"query": "{ hello }"})
        assert json.loads(found[2]) == {"data": {"hello": "hello world"}}
        page = call(server, "GET", "/inner/graphql/", headers={"accept": "text/html"})
        assert page[1]["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("outer", ["", "/outer"])
async def test_a_route_of_it_needs_no_trailing_slash(outer: str) -> None:
    def make() -> Starlette:
        route = GraphQLRoute("/graphql", GraphQLApp(toy_gateway()))
        return Starlette(routes=[Mount(outer, routes=[route])] if outer else [route])

    with live(make) as server:
        path = f"{outer}/graphql"
        for status, _, body in (
            call(server, "POST", path, {"query": "{ hello }"}),
            call(server, "GET", path + "?query=%7Bhello%7D"),
            call(server, "POST", path + "/", {"query": "{ hello }"}),
        ):
            assert (status, json.loads(body)) == (200, {"data": {"hello": "hello world"}})
        assert call(server, "GET", path, headers={"accept": "text/html"})[0] in (200, 503)
        url = server.url.replace("http", "ws", 1) + path
        async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            await socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "{ hello }"}}))
            assert json.loads(await socket.recv())["payload"] == {"data": {"hello": "hello world"}}
