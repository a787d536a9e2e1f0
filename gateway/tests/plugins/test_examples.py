"""The worked plug-ins in `gateway/examples`, each loaded as its page of configuration says."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from botberi_gateway.config import GatewayConfig, PluginConfig
from botberi_gateway.server.app import create_app
from examples.mirror_traffic import MirrorTraffic
from gateway.tests.support.callers import CallerHeader, Tokens
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import World, toy_gateway
from gateway.tests.transport.conftest import Setup

EXAMPLES = Path(__file__).parents[2] / "examples"
ADA = {"authorization": "Bearer ada"}


@contextmanager
def served(*plugins: PluginConfig) -> Iterator[Setup]:
    world, tokens = World(), Tokens()
    config = GatewayConfig(plugins=plugins)

    def make() -> Any:
        return create_app(toy_gateway(world), config, authenticator=tokens, subgraph_headers=CallerHeader())

    with live(make, config) as server:
        yield Setup(server, world, tokens)


def use(name: str, **options: str) -> PluginConfig:
    return PluginConfig(f"examples.{name}", options)


def headers_of(setup: Setup) -> dict[str, Mapping[str, str]]:
    return {name: request.headers for name, request in setup.world.requests}


def test_a_header_from_a_secret_store_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first\n")
    plugin = use(
        "secret_header:SecretHeader", subgraph="reviews", header="X-Api-Key", file=str(file), max_age_seconds="0"
    )
    with served(plugin) as setup:
        setup.query("{ me { reviews { body } } }")
        seen = headers_of(setup)
        assert seen["reviews"]["x-api-key"] == "first"
        assert "x-api-key" not in seen["accounts"]
        file.write_text("second")
        setup.query("{ reviews { body } }")
        assert headers_of(setup)["reviews"]["x-api-key"] == "second"


def test_a_missing_secret_is_noticed_at_the_start(tmp_path: Path) -> None:
    plugin = use("secret_header:SecretHeader", subgraph="a", header="x", file=str(tmp_path / "missing"))

    async def begin() -> None:
        app = create_app(toy_gateway(), GatewayConfig(plugins=(plugin,)))
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(FileNotFoundError):
        asyncio.run(begin())


def test_a_field_is_masked_under_each_of_its_names_but_for_those_who_may_see_it() -> None:
    query = """{ me { name alias: name ...F reviews { author { ... on User { inner: name } } } } }
      fragment F on User { again: name id }"""
    with served(use("mask_field:MaskField", field="name", allowed="auditor")) as setup:
        me = setup.query(query, ADA).json["data"]["me"]
        assert (me["name"], me["alias"], me["again"], me["id"]) == ("***", "***", "***", "1")
        assert me["reviews"][0]["author"]["inner"] == "***"
        setup.tokens.revoked.clear()
        shown = setup.query(query, {"authorization": "Bearer auditor"}).json["data"]["me"]
        assert shown["alias"] == setup.world.name
        events = setup.query("subscription { users(times: 1) { name id } }", {**ADA, "accept": "text/event-stream"})
        assert b'"name":"***"' in events.body.replace(b" ", b"")


def test_traffic_is_mirrored_and_compared(caplog: pytest.LogCaptureFixture) -> None:
    bodies: list[Any] = []

    async def candidate(request: Request) -> JSONResponse:
        bodies.append(await request.json())
        if "hello" in bodies[-1]["query"]:
            return JSONResponse({"data": {"hello": "hello world"}})
        return JSONResponse({"data": {"whoami": "somebody else"}})

    with live(lambda: Starlette(routes=[Route("/graphql", candidate, methods=["POST"])])) as services:
        plugin = use("mirror_traffic:MirrorTraffic", subgraph="accounts", candidate=f"{services.url}/graphql")
        with served(plugin) as setup, caplog.at_level(logging.WARNING):
            (mirror, _), *_ = setup.server.app.state.graphql_route._app.core.hooks._plugins
            assert isinstance(mirror, MirrorTraffic)
            assert setup.query("{ hello }", ADA).json == {"data": {"hello": "hello world"}}
            assert setup.query("{ whoami }", ADA).json == {"data": {"whoami": "ada@accounts"}}
            setup.query('mutation { rename(name: "x") { id } }', ADA)
            setup.query("{ reviews { body } }", ADA)
            end = time.monotonic() + 5
            while mirror.outcomes.total() < 2 and time.monotonic() < end:
                time.sleep(0.01)
            assert mirror.outcomes == {"equal": 1, "different": 1}
    assert len(bodies) == 2
    assert "answered differently" in caplog.text


def test_an_audit_line_for_each_mutation(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    with served(use("audit_line:AuditLine", file=str(file))) as setup:
        setup.query("{ hello }", ADA)
        mutation = "mutation Rename($n: String!) { rename(name: $n) { name } }"
        setup.query(mutation, ADA, variables={"n": "a secret"})
    (line,) = [json.loads(text) for text in file.read_text().splitlines()]
    assert line.pop("time").startswith("20")
    assert line == {
        "subject": "ada",
        "address": "127.0.0.1",
        "operation": "Rename",
        "variables": ["n"],
        "errors": [],
    }


def test_a_mutation_whose_line_cannot_be_written_is_not_answered(tmp_path: Path) -> None:
    with served(use("audit_line:AuditLine", file=str(tmp_path))) as setup:
        answer = setup.query('mutation { rename(name: "x") { name } }', ADA)
        assert answer.code == "INTERNAL_SERVER_ERROR"
        assert "data" not in answer.json


def test_requests_are_signed_over_their_body() -> None:
    key = "k" * 32
    checked: list[bool] = []

    async def subgraph(request: Request) -> JSONResponse:
        moment, body = request.headers["x-signature-time"], await request.body()
        expected = hmac.new(key.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        checked.append(hmac.compare_digest(expected, request.headers["x-signature"]))
        return JSONResponse({"data": {"a": 1}})

    from botberi_gateway.engine import Gateway, SubgraphSource

    sdl = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3") type Query { a: Int }'
    with live(lambda: Starlette(routes=[Route("/graphql", subgraph, methods=["POST"])])) as services:
        config = GatewayConfig(plugins=(use("sign_requests:SignRequests", key=key),))

        def make() -> Any:
            return create_app(
                Gateway.from_subgraphs({"only": SubgraphSource(sdl, url=f"{services.url}/graphql")}), config
            )

        with live(make, config) as server:
            assert Setup(server, World(), Tokens()).query("{ a }").json == {"data": {"a": 1}}
    assert checked == [True]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("[a-z]*.py")), ids=lambda file: file.stem)
def test_the_configuration_in_each_example_names_its_class_and_options(file: Path) -> None:
    text = file.read_text().split("```yaml\n")[1].split("```")[0]
    (plugin,) = yaml.safe_load(text)["plugins"]
    module, _, name = plugin["use"].partition(":")
    assert module == f"examples.{file.stem}"
    scope: dict[str, Any] = {}
    exec(f"from {module} import {name} as made", scope)
    options = {key: ("k" * 32 if key == "key" else value) for key, value in plugin["options"].items()}
    assert scope["made"](**options) is not None
