"""W8, W23, W26: headers for browsers in every answer, and which hosts are ours whatever a request says."""

import http.client
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.routing import Route

from botberi_gateway.config import GatewayConfig, TransportConfig
from botberi_gateway.server.app import create_app
from botberi_gateway.transport.origin import OriginPolicy
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import toy_gateway

CONFIG = GatewayConfig(transport=TransportConfig(public_url="https://graph.example"))


async def failing(_: Request) -> None:
    raise RuntimeError("secret")


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    make = lambda: create_app(toy_gateway(), CONFIG, routes=[Route("/failing", failing)])  # noqa: E731
    with live(make, CONFIG) as server:
        yield server


def ask(
    server: LiveServer, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, [(name.lower(), value) for name, value in answer.getheaders()], answer.read()
    finally:
        connection.close()


JSON = {"content-type": "application/json"}
PAGES = [
    ("GET", "/health", {}, None, 200),
    ("GET", "/ready", {}, None, 200),
    ("GET", "/metrics", {}, None, 200),
    ("GET", "/", {}, None, 307),
    ("GET", "/nowhere", {}, None, 404),
    ("GET", "/graphql/nowhere", {}, None, 404),
    ("POST", "/health", {}, None, 405),
    ("GET", "/failing", {}, None, 500),
    ("GET", "/graphql", {"accept": "text/html"}, None, 200),
    ("POST", "/graphql", JSON, '{"query": "{ hello }"}', 200),
    ("POST", "/graphql", JSON, "nonsense", 400),
    ("POST", "/graphql", {**JSON, "accept": "text/event-stream"}, '{"query": "{ hello }"}', 200),
    ("POST", "/graphql", {}, "x", 415),
    ("OPTIONS", "/graphql", {}, None, 204),
    ("GET", "/health", {"host": "a, b"}, None, 400),
    ("GET", "/health", {"x": "y" * 70_000}, None, 431),
]


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"), PAGES, ids=[f"{p[0]} {p[1]} {p[4]}" for p in PAGES]
)
def test_w26_every_answer_has_the_headers_once(
    server: LiveServer, method: str, path: str, headers: dict[str, str], body: str | None, status: int
) -> None:
    answered, found, text = ask(server, method, path, headers, body)
    assert answered == status
    assert b"secret" not in text
    for name in ("x-content-type-options", "referrer-policy", "permissions-policy", "strict-transport-security"):
        assert [one for one, _ in found].count(name) == 1, name
    assert dict(found)["x-content-type-options"] == "nosniff"


HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "graphql-transport-ws",
}
HANDSHAKES = {
    "accepted": ("/graphql", {}, 101),
    "another site's": ("/graphql", {"origin": "https://evil.example"}, 403),
    "nowhere": ("/nowhere", {}, 403),
    "another version": ("/graphql", {"sec-websocket-version": "12"}, 400),
    "a key that is none": ("/graphql", {"sec-websocket-key": "x"}, 400),
}


@pytest.mark.parametrize("handshake", HANDSHAKES)
def test_w26_handshakes_have_the_headers_too(server: LiveServer, handshake: str) -> None:
    path, headers, status = HANDSHAKES[handshake]
    answered, found, _ = ask(server, "GET", path, HANDSHAKE | headers)
    assert answered == status
    for name in ("x-content-type-options", "referrer-policy", "permissions-policy", "strict-transport-security"):
        assert [one for one, _ in found].count(name) == 1, name


def test_w26_hsts_is_for_https_alone() -> None:
    config = GatewayConfig(transport=TransportConfig(public_url="http://graph.example"))
    with live(lambda: create_app(toy_gateway(), config), config) as server:
        assert "strict-transport-security" not in dict(ask(server, "GET", "/health")[1])


@pytest.mark.parametrize(
    "path", ["/health/", "/ready/", "/metrics/", "/failing/", "//evil.example/health/", "/health//"]
)
def test_w8_nothing_redirects_to_the_host_that_a_request_names(server: LiveServer, path: str) -> None:
    status, headers, _ = ask(server, "GET", path, {"host": "evil.example"})
    assert status == 404
    assert "location" not in dict(headers)


def test_w8_the_one_redirect_there_is_names_no_host(server: LiveServer) -> None:
    status, headers, _ = ask(server, "GET", "/", {"host": "evil.example"})
    assert (status, dict(headers)["location"]) == (307, "/graphql")


#: (public URL, own hosts), the page's origin, the Host that its request has -> whether it is our own page.
ORIGINS: list[tuple[TransportConfig, str, str, bool]] = [
    (TransportConfig(public_url="https://graph.example"), "https://graph.example", "graph.example", True),
    (TransportConfig(public_url="https://graph.example"), "https://graph.example", "internal:8080", True),
    (TransportConfig(public_url="https://graph.example"), "https://graph.example:443", "graph.example", True),
    (TransportConfig(public_url="https://graph.example"), "https://evil.example", "evil.example", False),
    (TransportConfig(public_url="https://graph.example"), "http://evil.example", "graph.example", False),
    (TransportConfig(public_url="https://graph.example"), "https://graph.example:8443", "graph.example:8443", False),
    (
        TransportConfig(public_url="https://graph.example"),
        "https://graph.example.evil.example",
        "graph.example",
        False,
    ),
    (TransportConfig(public_url="https://graph.example"), "null", "null", False),
    (TransportConfig(public_url="http://127.0.0.1:8080"), "http://localhost:8080", "localhost:8080", True),
    (TransportConfig(public_url="http://127.0.0.1:8080"), "http://[::1]:8080", "[::1]:8080", True),
    (TransportConfig(public_url="http://0.0.0.0:8080"), "http://localhost:8080", "localhost:8080", True),
    (TransportConfig(public_url="http://127.0.0.1:8080"), "http://evil.example:8080", "evil.example:8080", False),
    (TransportConfig(own_hosts=("a.example", "b.example:81")), "http://b.example:81", "x", True),
    (TransportConfig(own_hosts=("a.example", "b.example:81")), "https://a.example", "x", True),
    (TransportConfig(own_hosts=("a.example",)), "https://evil.example", "evil.example", False),
    (
        TransportConfig(own_hosts=("a.example",), allowed_origins=("https://app.example",)),
        "https://app.example",
        "x",
        True,
    ),
]


@pytest.mark.parametrize(("settings", "origin", "host", "ours"), ORIGINS)
def test_w23_a_name_that_an_attacker_points_at_us_is_not_ours(
    settings: TransportConfig, origin: str, host: str, ours: bool
) -> None:
    policy = OriginPolicy.of(settings)
    headers = {"origin": origin, "host": host}
    assert policy.trusts(origin, host) is ours
    assert policy.admits_socket(headers) is ours


@pytest.mark.parametrize("host", ["", "http://", "a:b:c"])
def test_w23_a_host_that_is_none_is_refused_at_the_start(host: str) -> None:
    with pytest.raises(ValueError, match="names no host"):
        OriginPolicy.of(TransportConfig(own_hosts=(host,)))
