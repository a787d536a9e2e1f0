"""Files in requests: to the subgraph whose variables have them, and what is refused."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from graphql import build_schema
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from botberi_gateway.config import GatewayConfig, TransportConfig, UploadsConfig
from botberi_gateway.engine import Gateway, SubgraphSource
from botberi_gateway.server.app import create_app
from botberi_gateway.upstream import SchemaClient
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import federated_sdl
from gateway.tests.transport.conftest import Answer, Setup

LIMITS: Final = UploadsConfig(
    enabled=True, max_files=3, max_file_bytes=600_000, max_request_bytes=1_000_000, timeout_seconds=1.0
)
CONFIG: Final = GatewayConfig(transport=TransportConfig(uploads=LIMITS, max_body_bytes=5_000))
GUARD: Final = {"graphql-require-preflight": "1"}
SDL: Final = """
scalar Upload
type Query { {name}: String }
type Mutation { {name}Store(file: Upload, files: [Upload], in: {name}In, note: String): [String!] }
input {name}In { file: Upload }
"""
LOCAL: Final = "scalar Upload type Query { near: String } type Mutation { nearStore(file: Upload): Int }"


def sdl_of(name: str) -> str:
    return federated_sdl(SDL.replace("{name}", name))


@dataclass
class Stores:
    """Two subgraphs that note what they get."""

    #: Subgraph, content type, operations, map.
    requests: list[tuple[str, str, Any, Any]] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{name}", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> JSONResponse:
        name, content_type = request.path_params["name"], request.headers["content-type"]
        assert request.headers["content-length"]
        if not content_type.startswith("multipart/form-data"):
            self.requests.append((name, content_type, await request.json(), None))
            return JSONResponse({"data": {f"{name}Store": []}})
        assert request.headers["graphql-require-preflight"] == "1"
        form = await request.form()
        operations, places = json.loads(str(form["operations"])), json.loads(str(form["map"]))
        self.requests.append((name, content_type, operations, places))
        stored = []
        for number in places:
            file = form[number]
            assert isinstance(file, UploadFile)
            content = await file.read()
            digest = hashlib.sha256(content).hexdigest()[:8]
            stored.append(f"{file.filename} {file.content_type} {len(content)} {digest}")
        return JSONResponse({"data": {f"{name}Store": stored}})


@dataclass
class Uploads:
    setup: Setup
    stores: Stores

    def send(self, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        return self.setup.request(
            body=body, headers={"content-type": f"multipart/form-data; boundary={B}", **(headers or GUARD)}
        )


@pytest.fixture(scope="module")
def uploads() -> Iterator[Uploads]:
    stores = Stores()
    with live(stores.app) as services:

        def make() -> Any:
            sources = {name: SubgraphSource(sdl_of(name), url=f"{services.url}/{name}") for name in ("left", "right")}
            near = SubgraphSource(federated_sdl(LOCAL), client=SchemaClient("near", build_schema(LOCAL)))
            return create_app(Gateway.from_subgraphs({**sources, "near": near}), CONFIG)

        with live(make, CONFIG) as server:
            yield Uploads(Setup(server, None, None), stores)  # type: ignore[arg-type]


B: Final = "XBOUNDARYX"
CONTENT: Final = os.urandom(500_000)


def part(name: str, content: bytes | Any, filename: str | None = None, kind: str | None = None) -> bytes:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    file = f'; filename="{filename}"' if filename is not None else ""
    media = f"content-type: {kind}\r\n" if kind else ""
    return f'--{B}\r\ncontent-disposition: form-data; name="{name}"{file}\r\n{media}\r\n'.encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{B}--\r\n".encode()


def stored(name: str, kind: str, content: bytes) -> str:
    return f"{name} {kind} {len(content)} {hashlib.sha256(content).hexdigest()[:8]}"


ONE: Final = {"query": "mutation($f: Upload) { leftStore(file: $f) }", "variables": {"f": None}}


def test_a_file_reaches_the_subgraph_that_it_is_for(uploads: Uploads) -> None:
    uploads.stores.requests.clear()
    body = form(part("operations", ONE), part("map", {"a": ["variables.f"]}), part("a", CONTENT, "ü.bin", "image/png"))
    assert uploads.send(body).json == {"data": {"leftStore": [stored("ü.bin", "image/png", CONTENT)]}}
    ((name, content_type, operations, places),) = uploads.stores.requests
    assert (name, content_type.split(";")[0]) == ("left", "multipart/form-data")
    (variable,) = operations["variables"]
    assert operations["variables"] == {variable: None}
    assert places == {"0": [f"variables.{variable}"]}


def test_files_of_several_subgraphs_and_places(uploads: Uploads) -> None:
    uploads.stores.requests.clear()
    query = """mutation($f: Upload, $all: [Upload], $in: rightIn) {
      leftStore(files: $all) rightStore(file: $f, in: $in, note: "plain") }"""
    operations = {"query": query, "variables": {"f": None, "all": [None, None], "in": {"file": None}}}
    places = {"1": ["variables.f", "variables.all.1"], "2": ["variables.all.0"], "3": ["variables.in.file"]}
    body = form(
        part("operations", operations),
        part("map", places),
        part("1", b"one", "1.txt", "text/plain"),
        part("2", b"", "2.txt", "text/plain"),
        part("3", b"three", '3".txt', "text/plain"),
    )
    data = uploads.send(body).json["data"]
    one, two = stored("1.txt", "text/plain", b"one"), stored("2.txt", "text/plain", b"")
    assert sorted(data["leftStore"]) == sorted([one, two])
    assert len(data["rightStore"]) == 2
    assert one in data["rightStore"]
    assert [request[0] for request in uploads.stores.requests] == ["left", "right"]


def test_a_request_to_a_subgraph_without_files_stays_json(uploads: Uploads) -> None:
    uploads.stores.requests.clear()
    operations = {"query": "mutation($f: Upload) { leftStore(file: $f) rightStore }", "variables": {"f": None}}
    body = form(part("operations", operations), part("map", {"1": ["variables.f"]}), part("1", b"one", "1"))
    assert len(uploads.send(body).json["data"]["leftStore"]) == 1
    assert [request[1].split(";")[0] for request in uploads.stores.requests] == [
        "multipart/form-data",
        "application/json",
    ]


def test_a_subgraph_in_this_process_takes_no_files(uploads: Uploads) -> None:
    operations = {"query": "mutation($f: Upload) { nearStore(file: $f) }", "variables": {"f": None}}
    body = form(part("operations", operations), part("map", {"1": ["variables.f"]}), part("1", b"one", "1"))
    assert "takes no files" in uploads.send(body).json["errors"][0]["message"]
    plain = {"query": "{ near }"}
    assert uploads.send(form(part("operations", plain), part("map", {}))).json == {"data": {"near": None}}


def test_nothing_is_left_on_the_disk(uploads: Uploads, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    body = form(part("operations", ONE), part("map", {"a": ["variables.f"]}), part("a", CONTENT, "big"))
    assert uploads.send(body).status == 200
    assert list(tmp_path.iterdir()) == []


OPERATIONS: Final = part("operations", ONE)
MAP: Final = part("map", {"a": ["variables.f"]})
FILE: Final = part("a", b"x", "a.txt")
#: What is wrong -> body, status.
REFUSED: Final[dict[str, tuple[bytes, int]]] = {
    "no map": (form(OPERATIONS), 400),
    "map first": (form(MAP, OPERATIONS, FILE), 400),
    "file before the map": (form(OPERATIONS, FILE, MAP), 400),
    "file missing": (form(OPERATIONS, MAP), 400),
    "file that the map doesn't have": (form(OPERATIONS, MAP, FILE, part("b", b"x", "b")), 400),
    "file twice": (form(OPERATIONS, MAP, FILE, FILE), 400),
    "place that isn't there": (form(OPERATIONS, part("map", {"a": ["variables.g"]}), FILE), 400),
    "place outside the variables": (form(OPERATIONS, part("map", {"a": ["query"]}), FILE), 400),
    "place of a value": (
        form(part("operations", {**ONE, "variables": {"f": 1}}), MAP, FILE),
        400,
    ),
    "index that isn't there": (
        form(part("operations", {**ONE, "variables": {"f": []}}), part("map", {"a": ["variables.f.0"]}), FILE),
        400,
    ),
    "map of another form": (form(OPERATIONS, part("map", ["a"]), FILE), 400),
    "no JSON": (form(part("operations", b"{"), MAP, FILE), 400),
    "batch": (form(part("operations", [ONE]), part("map", {"a": ["0.variables.f"]}), FILE), 400),
    "too many files": (form(OPERATIONS, part("map", {str(n): ["variables.f"] for n in range(4)})), 400),
    "too many places": (form(OPERATIONS, part("map", {"a": ["variables.f"] * 101}), FILE), 400),
    "file too large": (form(OPERATIONS, MAP, part("a", bytes(600_001), "a")), 413),
    "body too large": (form(OPERATIONS, MAP, part("a", bytes(1_000_001), "a")), 413),
    "operations too large": (form(part("operations", {**ONE, "more": "x" * 6000}), MAP, FILE), 413),
    "map too large": (form(OPERATIONS, part("map", {"a": ["x" * 20_000]}), FILE), 413),
    "headers too large": (form(OPERATIONS, MAP, part("a", b"x", "a" * 5000)), 400),
    "end missing": (OPERATIONS + MAP + FILE, 400),
    "no form": (b"something else", 400),
    "nothing": (b"", 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(uploads: Uploads, name: str) -> None:
    body, status = REFUSED[name]
    uploads.stores.requests.clear()
    answer = uploads.send(body)
    assert answer.status == status, answer.body
    assert answer.json["errors"][0]["message"]
    assert uploads.stores.requests == []


def test_a_form_that_another_sites_page_could_send_is_refused(uploads: Uploads) -> None:
    body = form(OPERATIONS, MAP, FILE)
    for headers in (
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example", "cookie": "a=b"},
        {"cookie": "session=1"},
    ):
        answer = uploads.send(body, headers)
        assert (answer.status, answer.code) == (403, "CSRF_PREVENTED")


def test_a_form_that_comes_too_slowly_or_compressed(uploads: Uploads) -> None:
    headers = {**GUARD, "content-length": "5000"}
    assert uploads.send(OPERATIONS, headers).status == 408
    assert uploads.send(form(OPERATIONS), {**GUARD, "content-encoding": "gzip"}).status == 415
    no_boundary = {**GUARD, "content-type": "multipart/form-data"}
    assert uploads.send(form(OPERATIONS), no_boundary).status == 400
