"""`botberi-gateway`: what it serves, prints and refuses, and how it stops."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from botberi_gateway.cli import app
from gateway.tests.support.live_server import LiveServer
from gateway.tests.support.subgraph_server import subgraph_services
from gateway.tests.support.toy_graph import ACCOUNTS, REVIEWS, SUPERGRAPH, World, federated_sdl


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """The command sets logging up for its process, which here is the tests'."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


ROOT = Path(__file__).resolve().parents[3]
WORLD = World()


@pytest.fixture(scope="module")
def services() -> Iterator[LiveServer]:
    with subgraph_services(WORLD) as server:
        yield server


@pytest.fixture
def supergraph(services: LiveServer, tmp_path: Path) -> Path:
    """The toy supergraph with the addresses of the running services."""
    text = SUPERGRAPH
    for name in ("accounts", "reviews"):
        text = text.replace(f"http://{name}.test/graphql", f"{services.url}/{name}")
    path = tmp_path / "supergraph.graphql"
    path.write_text(text)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, ready."""
    port = free_port()
    command = [sys.executable, "-m", "botberi_gateway", "serve", "--port", str(port), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ})
    try:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                # The port is bound before the graph is loaded, so an answer is what counts.
                if probe.connect_ex(("127.0.0.1", port)) == 0 and answers(port):
                    break
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline, "the gateway did not start"
            time.sleep(0.02)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        if process.stderr:
            process.stderr.close()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return probe.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


async def ask(url: str, query: str) -> Any:
    async with aiohttp.ClientSession() as session, session.post(url + "/graphql", json={"query": query}) as response:
        return await response.json()


QUERY = "{ me { name reviews { body } } }"
EXPECTED = {"data": {"me": {"name": "Ada", "reviews": [{"body": "fine"}]}}}


async def test_serve_a_supergraph_file(supergraph: Path) -> None:
    with serving("--supergraph", str(supergraph)) as (process, url):
        assert await ask(url, QUERY) == EXPECTED
        # A second of an idle machine; what others do on this one is not counted.
        assert cpu_seconds(process.pid) < 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def cpu_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        pytest.skip("no /proc here")
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_supergraph_with_other_addresses(services: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "s.graphql").write_text(SUPERGRAPH)
    pairs = [f"--subgraph={name}={services.url}/{name}" for name in ("accounts", "reviews")]
    with serving("--supergraph", str(tmp_path / "s.graphql"), *pairs) as (_, url):
        assert await ask(url, QUERY) == EXPECTED


async def test_serve_running_subgraphs(services: LiveServer) -> None:
    pairs = [f"--subgraph={name}={services.url}/{name}" for name in ("accounts", "reviews")]
    with serving(*pairs, "--log-format", "json", "--no-metrics") as (process, url):
        assert await ask(url, QUERY) == EXPECTED
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr
        lines = [json.loads(line) for line in process.stderr.read().splitlines() if line.startswith("{")]
    request = next(line for line in lines if line["logger"] == "botberi_gateway.access" and "POST" in line["message"])
    assert (request["status"], request["graphql_outcome"]) == (200, "ok")


async def test_serve_a_list_with_and_without_sdl(services: LiveServer, tmp_path: Path) -> None:
    file = tmp_path / "subgraphs.json"
    file.write_text(
        json.dumps(
            [
                {"name": "accounts", "url": f"{services.url}/accounts"},
                {"name": "reviews", "url": f"{services.url}/reviews", "sdl": federated_sdl(REVIEWS)},
            ]
        )
    )
    with serving("--subgraphs", str(file)) as (_, url):
        assert await ask(url, QUERY) == EXPECTED


async def test_what_documents_may_ask_is_set_by_options(supergraph: Path) -> None:
    async def refusal(url: str, query: str) -> tuple[str, str]:
        (error,) = (await ask(url, query))["errors"]
        return error["extensions"]["code"], error["message"]

    with serving("--supergraph", str(supergraph), "--no-introspection", "--max-cost=11", "--max-mutations=1") as (
        _,
        url,
    ):
        # One object and a list that is taken for ten.
        assert await ask(url, QUERY) == EXPECTED
        assert (await refusal(url, "{ reviews { body } more: reviews { body } }"))[0] == "COST_LIMIT_EXCEEDED"
        assert (await refusal(url, "{ __schema { types { name } } }"))[0] == "GRAPHQL_VALIDATION_FAILED"
        twice = 'mutation { a: rename(name: "a") { id } b: rename(name: "b") { id } }'
        assert await refusal(url, twice) == (
            "LIMIT_EXCEEDED",
            "The operation exceeds the limit of 1 mutations in one operation.",
        )


@pytest.mark.parametrize("option", ["--max-fields=1", "--max-response-bytes=10"])
async def test_what_operations_may_take_is_set_by_options(supergraph: Path, option: str) -> None:
    with serving("--supergraph", str(supergraph), option) as (_, url):
        body = await ask(url, QUERY)
        assert body["data"] is None
        assert [error["extensions"]["code"] for error in body["errors"]] == ["RESPONSE_TOO_LARGE"]


async def test_stopping_under_load_drops_nothing(supergraph: Path) -> None:
    with serving("--supergraph", str(supergraph), "--no-access-log") as (process, url):
        done, refused = 0, 0
        stopping = asyncio.Event()

        async def client(session: aiohttp.ClientSession) -> None:
            nonlocal done, refused
            while True:
                try:
                    async with session.post(url + "/graphql", json={"query": "{ slow(seconds: 0.02) }"}) as response:
                        assert (await response.json())["data"] == {"slow": "done"}
                        done += 1
                except aiohttp.ClientConnectorError:
                    refused += 1
                    assert stopping.is_set()
                    return
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # A keep-alive connection that was idle when the port closed; the request was not begun.
                    assert stopping.is_set()

        async with (
            aiohttp.ClientSession() as session,
            connect(
                url.replace("http", "ws") + "/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]
            ) as watcher,
        ):
            await watcher.send('{"type":"connection_init"}')
            await watcher.recv()
            clients = [asyncio.create_task(client(session)) for _ in range(8)]
            async with asyncio.timeout(30):
                while done <= 20:  # noqa: ASYNC110 - the load is under way
                    await asyncio.sleep(0.02)
            slow = asyncio.create_task(ask(url, "{ slow(seconds: 1) }"))
            await asyncio.sleep(0.5)
            stopping.set()
            process.send_signal(signal.SIGTERM)
            assert (await slow)["data"] == {"slow": "done"}
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(watcher.recv(), 5)
            assert watcher.close_code == 1001
            await asyncio.gather(*clients)
        assert process.wait(10) == 0
        assert done > 20


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("files", "arguments", "status", "said"),
    [
        ({}, ["serve"], 2, "Give one of --supergraph"),
        ({}, ["serve", "--supergraph", "a.graphql", "--subgraphs", "l.json"], 2, "Give one of --supergraph"),
        (
            {},
            ["serve", "--supergraph", "a.graphql", "--forward-header", "Host"],
            2,
            "can't be forwarded to subgraphs: host",
        ),
        ({}, ["serve", "--supergraph", "a.graphql", "--forward-header", "content-length"], 2, "content-length"),
        ({}, ["serve", "--supergraph", "a.graphql", "--forward-header", "Connection"], 2, "connection"),
        ({}, ["serve", "--supergraph", "a.graphql", "--forward-header", "a b"], 2, "can't be names of headers: 'a b'"),
        (
            {
                "s.graphql": b'enum join__Graph { A @join__graph(name: "a", url: "http://a/") }\ntype Query {\n  x: Nope\n}'
            },
            ["serve", "--supergraph", "s.graphql"],
            1,
            'line 3: "Query.x" is of the type "Nope"',
        ),
        ({}, ["serve", "--supergraph", "missing.graphql"], 2, "missing.graphql can't be read: No such file"),
        ({"s.graphql": b"\xff\xfe"}, ["serve", "--supergraph", "s.graphql"], 2, "is not UTF-8 text"),
        ({"s.graphql": b"type Query {"}, ["serve", "--supergraph", "s.graphql"], 1, "INVALID_SUPERGRAPH"),
        ({"s.graphql": b"type Query { a: Int }"}, ["serve", "--supergraph", "s.graphql"], 1, "no supergraph"),
        (
            {"s.graphql": SUPERGRAPH.encode()},
            ["serve", "--supergraph", "s.graphql", "--subgraph", "other=http://x"],
            1,
            "no subgraph other; it has accounts, reviews",
        ),
        (
            {"s.graphql": SUPERGRAPH.replace("http://reviews.test/graphql", "").encode()},
            ["serve", "--supergraph", "s.graphql"],
            1,
            "no http(s) URL for subgraph reviews",
        ),
        ({}, ["serve", "--subgraph", "nonsense"], 2, "is not NAME=URL"),
        ({}, ["serve", "--subgraph", "a=http://127.0.0.1:1/x"], 1, "SUBGRAPH_UNREACHABLE"),
        ({"l.json": b"{"}, ["serve", "--subgraphs", "l.json"], 2, "is not valid JSON"),
        ({"l.json": b"{}"}, ["serve", "--subgraphs", "l.json"], 2, "is not a list"),
        ({"l.json": b'[{"name":"a"}]'}, ["serve", "--subgraphs", "l.json"], 2, "entry 0 needs a name"),
        ({"l.json": b'[{"name":"a","url":1}]'}, ["serve", "--subgraphs", "l.json"], 2, "entry 0 needs a name"),
        (
            {"l.json": b'[{"name":"a","url":"http://a","sdl":"type Query { x: Unknown }"}]'},
            ["serve", "--subgraphs", "l.json"],
            1,
            "do not compose",
        ),
        ({}, ["serve", "--subgraph", "a=http://x", "--log-level", "loud"], 2, "one of debug, info, warning, error"),
        ({}, ["serve", "--subgraph", "a=http://x", "--path", "graphql"], 2, "does not begin with a slash"),
        ({}, ["serve", "--supergraph", "x", "--port", "70000"], 2, "--port"),
    ],
)
def test_what_is_wrong_is_said_with_a_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, bytes],
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    if arguments[0] == "serve" and "--port" not in arguments:
        arguments = [*arguments, "--port", "0"]
    code, output = run(*arguments)
    assert (code, said in output) == (status, True), output
    assert "Traceback" not in output


def test_a_taken_port_is_named(supergraph: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output = run("serve", "--supergraph", str(supergraph), "--port", str(port))
    assert code == 3
    assert f"127.0.0.1:{port}" in output


def test_compose_files(tmp_path: Path) -> None:
    for name, sdl in (("accounts", ACCOUNTS), ("reviews", REVIEWS)):
        (tmp_path / f"{name}.graphql").write_text(federated_sdl(sdl))
    pairs = [f"--subgraph={name}={tmp_path / name}.graphql" for name in ("accounts", "reviews")]
    output = tmp_path / "supergraph.graphql"
    assert run("compose", *pairs, "-o", str(output))[0] == 0
    assert "join__Graph" in output.read_text()
    code, text = run("plan", "--supergraph", str(output), "--query", str(query_file(tmp_path)))
    assert code == 0
    assert text.index('service: "accounts"') < text.index('service: "reviews"')
    code, text = run("plan", "--supergraph", str(output), "--query", str(query_file(tmp_path)), "--json")
    assert json.loads(text)["node"]["kind"] == "Sequence"


def test_compose_says_what_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "a.graphql").write_text(federated_sdl("type Query { x: Int }"))
    (tmp_path / "b.graphql").write_text(federated_sdl("type Query { x: String }"))
    pairs = [f"--subgraph={name}={tmp_path / name}.graphql" for name in "ab"]
    code, output = run("compose", *pairs)
    assert code == 1
    assert "Query.x" in output
    code, output = run("compose", *pairs, "--json")
    assert (code, json.loads(output)["ok"]) == (1, False)


def test_a_plan_of_what_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "s.graphql").write_text(SUPERGRAPH)
    code, output = run(
        "plan", "--supergraph", str(tmp_path / "s.graphql"), "--query", str(query_file(tmp_path, "{ nothing }"))
    )
    assert code == 1
    assert "GRAPHQL_VALIDATION_FAILED" in output


def query_file(folder: Path, text: str = QUERY) -> Path:
    path = folder / "query.graphql"
    path.write_text(text)
    return path
