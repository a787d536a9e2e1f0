"""The gateway's wheel, from a clean clone into an empty environment: typed, complete, beside folders of any name."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, graphql_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from botberi.parts.graphiql import uv_program
from botberi_gateway.transport.graphiql import build
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import federated_sdl

ROOT = Path(__file__).parents[2]
UV = uv_program()
DIST = Path("gateway", "botberi_gateway", "transport", "graphiql", "dist")

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: nothing to clone"),
    pytest.mark.skipif(UV is None, reason="uv is on no PATH and not in .uv: it builds and installs the wheel"),
]

SDLS = {
    "products": "type Query { products: [Product!]! } type Product { name: String! }",
    "reviews": "type Query { reviews: [Review!]! } type Review { body: String! }",
    "stores": "type Query { stores: [Store!]! } type Store { city: String! }",
}
DATA: dict[str, Any] = {
    "products": [{"name": "Coffee"}],
    "reviews": [{"body": "Wonderful."}],
    "stores": [{"city": "Lyon"}],
}

PROGRAM = """\
import asyncio
from botberi_gateway import Gateway, Subgraph, compose
from botberi_gateway.engine import GraphQLRequest

composition = compose([Subgraph("a", "type Query { a: Int }", "http://localhost:4001/graphql")])

async def main(sdl: str) -> bytes:
    gateway = Gateway.from_supergraph(sdl)
    return (await gateway.execute(GraphQLRequest("{ a }"))).to_bytes()

print(asyncio.run(main(composition.supergraph_sdl or "")).decode(), [e.message for e in composition.errors])
"""
WRONG = """\
from botberi_gateway import Subgraph, compose

compose([Subgraph("a", 3)]).no_such_name
"""


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel and what it depends on, and nothing else."""

    wheel: Path
    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)


def run(*command: str, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """The command's end; neither this project nor this environment is on its path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment |= {"UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def built(clone: Path, folder: str, out: Path) -> subprocess.CompletedProcess[str]:
    assert UV is not None
    command = (UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", str(out), folder)
    return run(*command, cwd=clone)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, as it comes from git."""
    target = tmp_path_factory.mktemp("packaging") / "clone"
    done = run("git", "clone", "-q", "--depth=1", f"file://{ROOT}", str(target), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def installed(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    if not build.is_built():
        pytest.skip("GraphiQL is not built: python -m botberi_gateway.transport.graphiql.build")
    shutil.copytree(build.DIST, clone / DIST, dirs_exist_ok=True)
    folder = tmp_path_factory.mktemp("installed")
    done = built(clone, "gateway", folder)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    assert UV is not None
    made = run(UV, "venv", "-q", "--no-project", "--python", sys.executable, str(environment), cwd=folder)
    assert made.returncode == 0, made.stderr
    python = str(environment / "bin" / "python")
    lock = str(ROOT / "requirements.lock")
    done = run(UV, "pip", "install", "-q", "--python", python, "--constraint", lock, str(wheel), cwd=folder)
    assert done.returncode == 0, done.stderr
    return Installed(wheel, environment)


def test_a_wheel_without_graphiql_is_not_built(clone: Path, tmp_path: Path) -> None:
    moved = clone / "moved-aside"
    if (clone / DIST).exists():
        (clone / DIST).rename(moved)
    try:
        done = built(clone, "gateway", tmp_path)
    finally:
        if moved.exists():
            moved.rename(clone / DIST)
    assert done.returncode != 0
    assert "GraphiQL is not built" in done.stderr
    script = re.search(r"Run `python (\S+)`", done.stderr)
    assert script is not None
    assert Path(script[1]).is_file()
    assert list(tmp_path.glob("*.whl")) == []


def test_the_platform_has_no_wheel_and_says_how_it_is_run(clone: Path, tmp_path: Path) -> None:
    done = built(clone, ".", tmp_path)
    assert done.returncode != 0
    assert "./start" in done.stderr
    assert list(tmp_path.glob("*.whl")) == []


def test_the_wheel_puts_one_name_into_an_environment(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    version = tomllib.loads((ROOT / "gateway" / "pyproject.toml").read_text())["project"]["version"]
    assert {name.split("/")[0] for name in names} == {"botberi_gateway", f"botberi_gateway-{version}.dist-info"}
    assert "botberi_gateway/py.typed" in names
    assert not [name for name in names if "test" in name.split("/")[1]]
    # What an extra asks for (event sources by aio-pika, …) comes with the extra alone.
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    needed = {re.split(r"[^A-Za-z0-9-]", line.removeprefix("Requires-Dist: "))[0] for line in required}
    assert "graphql-core" in needed
    assert needed.isdisjoint({"sqlalchemy", "celery", "strawberry-graphql", "aio-pika", "broadcaster", "botberi"})


def test_a_users_program_is_typed_and_runs(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text(WRONG)
    tools, python = Path(sys.executable).parent, installed.program("python")
    mypy = [str(tools / "mypy"), "--strict", "--python-executable", python, "--cache-dir", str(tmp_path / "cache")]
    done = run(*mypy, "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    pyright = [str(tools / "pyright"), "--pythonpath", python]
    done = run(*pyright, "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    # That both see the package's types at all is shown by what they refuse.
    for checker in (mypy, pyright):
        refused = run(*checker, "wrong.py", cwd=tmp_path).stdout
        assert "no_such_name" in refused
        assert 'type "str"' in refused or 'expected "str"' in refused, refused
    done = run(python, "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"a":null' in done.stdout.replace(" ", "") or '"data":null' in done.stdout.replace(" ", "")


def test_it_serves_a_graph_and_graphiql_beside_a_folder_of_its_old_name(installed: Installed, tmp_path: Path) -> None:
    for name in ("gateway", "workers", "subgraphs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('{name} of the user was imported')\n")
    with ExitStack() as stack:
        options: list[str] = []
        for name in SDLS:
            server = stack.enter_context(live(lambda name=name: subgraph(name)))  # type: ignore[misc]
            options.append(f"--subgraph={name}={server.url}/graphql")
        url = stack.enter_context(serving(installed, options, tmp_path))
        query = "{ products { name } reviews { body } stores { city } }"
        assert json.loads(get(f"{url}/graphql", json.dumps({"query": query}).encode())) == {"data": DATA}
        page = get(f"{url}/graphql", accept="text/html").decode()
        assert "graphiql" in page.lower()
        linked = re.findall(r'(?:src|href)="\./?([^"]+)"', page)
        assert linked, page
        files = {path.relative_to(build.DIST).as_posix() for path in (build.DIST / "assets").rglob("*")}
        files = {name for name in files if not name.endswith(".gz")}
        assert set(linked) <= files | {"favicon.ico"}
        for name in files:
            assert get(f"{url}/graphql/graphiql/{name}") == (build.DIST / name).read_bytes(), name


def subgraph(name: str) -> Starlette:
    """A service that answers `_service { sdl }` and its own fields."""
    schema = build_schema(SDLS[name] + " type _Service { sdl: String! } extend type Query { _service: _Service! }")

    async def answer(request: Request) -> JSONResponse:
        body = await request.json()
        root = {**DATA, "_service": {"sdl": federated_sdl(SDLS[name])}}
        return JSONResponse(graphql_sync(schema, body["query"], root, variable_values=body.get("variables")).formatted)

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


@contextmanager
def serving(installed: Installed, options: list[str], cwd: Path) -> Iterator[str]:
    """The installed command until it answers; it ends with status 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [installed.program("botberi-gateway"), "serve", f"--port={port}", "--no-access-log", *options]
    process = subprocess.Popen(command, cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not healthy(port):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "the gateway did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(20) == 0
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


def get(url: str, body: bytes | None = None, accept: str = "application/json") -> bytes:
    request = urllib.request.Request(url, body, {"content-type": "application/json", "accept": accept})
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.status == 200
        found = response.read()
    assert isinstance(found, bytes)
    return found
