"""The commands and imports of both READMEs for any graph, as they stand but for the ports."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, graphql_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from botberi_gateway.composition import Subgraph, compose
from gateway.tests.support.live_server import live
from gateway.tests.support.pages import blocks
from gateway.tests.support.toy_graph import federated_sdl

GATEWAY = Path(__file__).parents[2]
#: The gateway's own page, and the repository's.
READMES = (GATEWAY / "README.md", GATEWAY.parent / "README.md")
SDLS = {
    "products": "type Query { products: [Product!]! } type Product { name: String! }",
    "reviews": "type Query { reviews: [Review!]! } type Review { body: String! }",
}
DATA: dict[str, Any] = {"products": [{"name": "Coffee"}], "reviews": [{"body": "Wonderful."}]}


def subgraph(name: str) -> Starlette:
    """One of the graph's services, at the path that the README gives it."""
    served = SDLS[name] + " type _Service { sdl: String! } extend type Query { _service: _Service! }"
    schema: GraphQLSchema = build_schema(served)

    async def answer(request: Request) -> JSONResponse:
        body = await request.json()
        root = {**DATA, "_service": {"sdl": federated_sdl(SDLS[name])}}
        return JSONResponse(graphql_sync(schema, body["query"], root, variable_values=body.get("variables")).formatted)

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Where the README says that the subgraphs are -> where they are."""
    with live(lambda: subgraph("products")) as products, live(lambda: subgraph("reviews")) as reviews:
        yield {"4001": products.port, "4002": reviews.port}


COMMANDS = {
    readme: [
        line for block in blocks(readme, "sh") for line in block.text.splitlines() if "botberi-gateway serve" in line
    ]
    for readme in READMES
}


@pytest.mark.parametrize("readme", READMES, ids=("gateway", "repository"))
def test_a_readme_serves_subgraphs_and_a_supergraph(readme: Path) -> None:
    assert ["--supergraph" in line for line in COMMANDS[readme]] == [False, True]


@pytest.mark.parametrize("line", [line for lines in COMMANDS.values() for line in lines])
def test_a_command_of_the_readme_serves_the_graph(line: str, ports: dict[str, int], tmp_path: Path) -> None:
    composed = compose(
        [
            Subgraph(name, federated_sdl(sdl), f"http://localhost:{port}/graphql")
            for (name, sdl), port in zip(SDLS.items(), ports.values(), strict=True)
        ]
    )
    assert composed.supergraph_sdl is not None
    (tmp_path / "supergraph.graphql").write_text(composed.supergraph_sdl)
    for written, real in ports.items():
        line = line.replace(f"http://localhost:{written}/", f"http://localhost:{real}/")
    program, *arguments = shlex.split(line)
    assert program in ("botberi-gateway", ".venv/bin/botberi-gateway")
    command = str(Path(sys.executable).parent / "botberi-gateway")
    port = free_port()
    # The last `--port` counts, or the only one.
    with running([command, *arguments, f"--port={port}"], tmp_path, port) as url:
        assert ask(url, "{ products { name } reviews { body } }") == {"data": DATA}


@pytest.mark.parametrize("readme", READMES, ids=("gateway", "repository"))
def test_the_names_that_a_readme_imports_are_there(readme: Path) -> None:
    imports = blocks(readme, "python")
    assert imports
    for block in imports:
        exec(compile(block.text, str(readme), "exec"), {})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(url: str, query: str) -> Any:
    request = urllib.request.Request(url, json.dumps({"query": query}).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[str]:
    """The command until it is answered; it ends with status 0 when it is asked to."""
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ})
    try:
        deadline = time.monotonic() + 30
        while not healthy(port):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(process.communicate()[1])
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/graphql"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False
