"""The how-tos "serve your own graph" and "CORS", followed from their text but for the ports."""

import asyncio
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from graphql import GraphQLSchema, build_schema, graphql_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from botberi_gateway import server as gateway_server
from botberi_gateway.config import GatewayConfig, TransportConfig
from botberi_gateway.server.app import create_app
from gateway.tests.server.test_readme import ask, free_port, running
from gateway.tests.support.live_server import live
from gateway.tests.support.pages import blocks
from gateway.tests.support.toy_graph import World, federated_sdl, toy_gateway

HOW_TOS = Path(__file__).parents[3] / "docs" / "how-to"
SERVE = HOW_TOS / "serve-your-own-graph.md"
CORS = HOW_TOS / "cors.md"

SDLS = {
    "accounts": 'type Query { me: User } type User @key(fields: "id") { id: ID! name: String! }',
    "reviews": 'type User @key(fields: "id") { id: ID! reviews: [String!]! }',
}
USER: dict[str, Any] = {"__typename": "User", "id": "1", "name": "Ada", "reviews": ["Wonderful."]}
QUERY = "{ me { name reviews } }"
ANSWER = {"data": {"me": {"name": "Ada", "reviews": ["Wonderful."]}}}


def subgraph(name: str, headers: list[dict[str, str]]) -> Starlette:
    """One of the graph's services; notes the headers that it gets."""
    entities = "extend type Query { _entities(representations: [_Any!]!): [_Entity]! _service: _Service! }"
    query = "" if "type Query" in SDLS[name] else "type Query"
    machinery = f"directive @key(fields: String!) on OBJECT union _Entity = User scalar _Any type _Service {{ sdl: String! }} {query}"
    schema: GraphQLSchema = build_schema(f"{SDLS[name]} {machinery} {entities}")

    async def answer(request: Request) -> JSONResponse:
        headers.append(dict(request.headers))
        body = await request.json()
        root = {
            "me": USER,
            "_entities": lambda _info, representations: [USER for _ in representations],
            "_service": {"sdl": federated_sdl(SDLS[name])},
        }
        return JSONResponse(graphql_sync(schema, body["query"], root, variable_values=body.get("variables")).formatted)

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


@pytest.fixture
def headers() -> list[dict[str, str]]:
    return []


@pytest.fixture
def ports(headers: list[dict[str, str]]) -> Iterator[dict[str, int]]:
    """Where the page says that the subgraphs are -> where they are."""
    with live(lambda: subgraph("accounts", headers)) as accounts, live(lambda: subgraph("reviews", [])) as reviews:
        yield {"4001": accounts.port, "4002": reviews.port}


def commands(number: int, ports: dict[str, int]) -> list[list[str]]:
    """The commands of one block, as arguments of this Python."""
    text = blocks(SERVE, "sh")[number].text.replace("\\\n", " ")
    for written, real in ports.items():
        text = text.replace(f"http://localhost:{written}/", f"http://localhost:{real}/")
    made = []
    for line in text.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "botberi-gateway"
        made.append([sys.executable, "-m", "botberi_gateway", *arguments])
    return made


def served(command: list[str], folder: Path) -> None:
    """The command serves the graph; the last `--port` counts."""
    port = free_port()
    with running([*command, f"--port={port}"], folder, port) as url:
        assert ask(url, QUERY) == ANSWER


def composed(folder: Path, ports: dict[str, int]) -> list[str]:
    """The page's two files -> its supergraph; the command that serves it."""
    for name, sdl in SDLS.items():
        (folder / f"{name}.graphql").write_text(federated_sdl(sdl))
    compose, serve = commands(1, ports)
    done = subprocess.run(compose, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return serve


def test_from_running_subgraphs(ports: dict[str, int], tmp_path: Path) -> None:
    [serve] = commands(0, ports)
    served(serve, tmp_path)


def test_from_a_file(ports: dict[str, int], tmp_path: Path) -> None:
    serve = composed(tmp_path, ports)
    served(serve, tmp_path)


def test_from_a_list(ports: dict[str, int], tmp_path: Path) -> None:
    [written] = blocks(SERVE, "json")
    subgraphs = json.loads(written.text)
    for entry in subgraphs:
        entry["url"] = f"http://localhost:{ports[entry['url'].split(':')[2].split('/')[0]]}/graphql"
        if "sdl" in entry:
            entry["sdl"] = federated_sdl(SDLS[entry["name"]])
    (tmp_path / "subgraphs.json").write_text(json.dumps(subgraphs))
    assert "`botberi-gateway serve --subgraphs subgraphs.json`" in SERVE.read_text()
    served([sys.executable, "-m", "botberi_gateway", "serve", "--subgraphs", "subgraphs.json"], tmp_path)


def test_a_plan_looks_as_on_the_page(ports: dict[str, int], tmp_path: Path) -> None:
    composed(tmp_path, ports)
    (tmp_path / "query.graphql").write_text(QUERY)
    [written] = blocks(SERVE, "text")
    command, *lines = written.text.splitlines()
    assert command.startswith("$ botberi-gateway plan ")
    arguments = [sys.executable, "-m", "botberi_gateway", *shlex.split(command)[2:]]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert lines[-1] == "…"
    assert done.stdout.startswith("\n".join(lines[:-1]))


async def test_the_program_that_authenticates(
    headers: list[dict[str, str]], ports: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands, but for the port, what `look_up` and `sign` are, and that it ends with the test."""
    composed(tmp_path, ports)
    text = (tmp_path / "supergraph.graphql").read_text()
    for name, port in zip(SDLS, ports.values(), strict=True):
        text = text.replace(f'name: "{name}", url: ""', f'name: "{name}", url: "http://localhost:{port}/graphql"')
    (tmp_path / "supergraph.graphql").write_text(text)
    monkeypatch.chdir(tmp_path)
    [written] = blocks(SERVE, "python")
    assert written.text.count("asyncio.run(main())") == written.text.count('bind("0.0.0.0", 4000)') == 1
    port = free_port()
    program = written.text.replace("asyncio.run(main())", "").replace("0.0.0.0", "127.0.0.1").replace("4000", str(port))

    async def look_up(token: str) -> Any:
        return type("Row", (), {"id": "ada"}) if token == "good" else None

    names: dict[str, Any] = {"look_up": look_up, "sign": lambda subject, subgraph: f"{subject} to {subgraph}"}
    exec(compile(program, str(SERVE), "exec"), names)
    serving = asyncio.create_task(names["main"]())
    try:
        url = f"http://127.0.0.1:{port}/graphql"
        async with aiohttp.ClientSession() as session:
            for _ in range(100):
                try:
                    await session.get(f"http://127.0.0.1:{port}/health")
                    break
                except aiohttp.ClientConnectionError:
                    assert not serving.done(), serving
                    await asyncio.sleep(0.05)
            for token, expected in (("good", 200), ("bad", 401)):
                async with session.post(
                    url, json={"query": QUERY}, headers={"authorization": f"Bearer {token}"}
                ) as response:
                    assert response.status == expected, await response.text()
                    if expected == 200:
                        assert await response.json() == ANSWER
        assert [seen.get("x-user") for seen in headers] == ["ada to accounts"]
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert gateway_server.serve is names["serve"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's request is sent by curl, which is not installed")
def test_the_preflight(tmp_path: Path) -> None:
    """Over a gateway that is configured as the page's table says."""
    [written] = blocks(CORS, "sh")
    assert 'TransportConfig(allowed_origins=["https://app.example"])' in CORS.read_text()
    config = GatewayConfig(transport=TransportConfig(allowed_origins=["https://app.example"]))
    with live(lambda: create_app(toy_gateway(World()), config), config) as server:
        assert written.text.count("http://localhost:8080/") == 1
        command = written.text.replace("http://localhost:8080/", f"http://localhost:{server.port}/")
        done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, timeout=30, check=True)
    head = done.stdout.lower()
    assert head.startswith("http/1.1 204")
    assert "access-control-allow-origin: https://app.example\n" in head
    assert "access-control-allow-credentials: true\n" in head
    assert "access-control-max-age: 600\n" in head
