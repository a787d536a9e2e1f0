"""One live gateway for the tests of the transport."""

import http.client
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway.config import GatewayConfig, TransportConfig, WebSocketConfig
from botberi_gateway.server.app import create_app
from botberi_gateway.transport.graphiql.build import BuildError, find_node
from gateway.tests.support.callers import CallerHeader, Tokens
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import World, toy_gateway


@dataclass
class Setup:
    """The server, and what is behind it."""

    server: LiveServer
    world: World
    tokens: Tokens

    def request(
        self,
        method: str = "POST",
        path: str = "/graphql",
        *,
        body: bytes | str | Mapping[str, Any] | list[Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Answer":
        """One HTTP request; a mapping or list as body is sent as JSON with its content type."""
        sent = dict(headers or {})
        if isinstance(body, Mapping | list):
            body = json.dumps(body)
            sent.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers.items(), response.read())
        finally:
            connection.close()

    def query(self, query: str, headers: Mapping[str, str] | None = None, **rest: Any) -> "Answer":
        """A POST of one operation."""
        return self.request(body={"query": query, **rest}, headers=headers)


@dataclass
class Answer:
    """A response, read."""

    status: int
    all_headers: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.all_headers}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The first error's."""
        return str(self.json["errors"][0]["extensions"]["code"])


CONFIG = GatewayConfig(
    transport=TransportConfig(
        max_body_bytes=100_000,
        body_timeout_seconds=1.0,
        allowed_origins=("https://app.example",),
        forward_headers=("traceparent", "x-request-id", "accept-language"),
        response_headers={"accounts": ("Set-Cookie",)},
        recheck_interval_seconds=0.3,
        max_check_age_seconds=0.1,
        send_timeout_seconds=1.0,
        sse_keep_alive_seconds=0.2,
        websocket=WebSocketConfig(
            init_timeout_seconds=0.4, max_operations=3, max_message_bytes=10_000, max_queued_messages=4
        ),
    )
)


#: Tests whose requests may take either way; what the others send takes one.
OVER_BOTH_WAYS = ("test_http.py", "test_fuzz.py", "test_defer.py", "test_negotiate.py")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With and without the short way for plain POSTs, where a test sends any."""
    if "setup" in metafunc.fixturenames:
        ways = ["quick", "asgi"] if Path(metafunc.module.__file__ or "").name in OVER_BOTH_WAYS else ["quick"]
        metafunc.parametrize("setup", ways, indirect=True, scope="module")


@pytest.fixture(scope="module")
def setup(request: pytest.FixtureRequest) -> Iterator[Setup]:
    """A live gateway over the toy graph, the same for all tests of a module."""
    world, tokens = World(), Tokens()
    quick = request.param == "quick"

    def make() -> Any:
        app = create_app(toy_gateway(world), CONFIG, authenticator=tokens, subgraph_headers=CallerHeader())
        if not quick:
            app.state.quick_door = None
        return app

    with live(make, CONFIG) as server:
        yield Setup(server, world, tokens)


@dataclass
class Node:
    """Node.js with the packages that the tests' scripts import."""

    node: Path
    folder: Path

    def run(self, script: str, *arguments: str) -> Any:
        """What a script of this folder prints, as JSON."""
        (self.folder / script).write_text(Path(__file__).with_name(script).read_text())
        command = [self.node, script, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Skips in one clear line where there is no Node.js or no registry."""
    try:
        found, npm = find_node()
    except BuildError as error:
        pytest.skip(f"tests with Node.js clients are skipped: {error}")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    packages = [
        "graphql-http@1.23.1",
        "graphql@16",
        "graphql-ws@6",
        "graphql-sse@2",
        "subscriptions-transport-ws@0.11",
        "ws@8",
        "@apollo/client@3",
        "@urql/core@5",
        "@apollo/server@4",
        "@apollo/subgraph@2",
        "apollo-upload-client@18",
        "graphql-yoga@5",
        "relay-runtime@18",
    ]
    installed = subprocess.run(
        [*npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages],
        cwd=folder,
        env={**os.environ, "PATH": f"{found.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"tests with Node.js clients are skipped, npm can't install them: {installed.stderr[-200:]}")
    return Node(found, folder)
