"""The federation audit's suites (../shared/conformance/federation): SDLs, cases and subgraphs.

The subgraphs are in this process or served over HTTP.
"""

import importlib.util
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream.port import SubgraphClient, SubgraphRequest, SubgraphResponse
from gateway.tests.support.shared import SHARED, needs

FEDERATION = SHARED / "federation"


def needs_suites(adds: str) -> pytest.MarkDecorator:
    """The mark of a test on the audit's suites. `adds` says what it would add (see `shared.needs`)."""
    return needs(FEDERATION, f"the public federation audit, {adds}")


@dataclass(frozen=True)
class Case:
    """`errors`: True for at least one, False for none, None for any."""

    suite: str
    index: int
    query: str
    data: Any
    errors: bool | None

    def __str__(self) -> str:
        return f"{self.suite}-{self.index}"

    def check(self, response: Mapping[str, Any]) -> None:
        """The audit's rule: equal data, errors where it says so."""
        assert response.get("data") == self.data, response
        if self.errors is not None:
            assert bool(response.get("errors")) is self.errors, response


@dataclass(frozen=True)
class Suite:
    """One folder of the audit."""

    name: str

    @property
    def folder(self) -> Path:
        return FEDERATION / self.name

    @cached_property
    def supergraph_sdl(self) -> str:
        return (self.folder / "supergraph.graphql").read_text()

    @cached_property
    def supergraph(self) -> Supergraph:
        return Supergraph.from_sdl(self.supergraph_sdl)

    @cached_property
    def subgraphs(self) -> dict[str, str]:
        """Name -> SDL."""
        return {path.stem: path.read_text() for path in sorted((self.folder / "subgraphs").glob("*.graphql"))}

    @cached_property
    def cases(self) -> list[Case]:
        raw = json.loads((self.folder / "cases.json").read_text())
        return [Case(self.name, i, c["query"], c["data"], c.get("errors")) for i, c in enumerate(raw)]

    def clients(self, wrap: Callable[["MockClient"], SubgraphClient] | None = None) -> dict[str, SubgraphClient]:
        """A client in this process for each subgraph; `wrap` may put something in between."""
        made = {name: MockClient(self.name, name) for name in self.subgraphs}
        return {name: wrap(client) if wrap else client for name, client in made.items()}


@cache
def suite(name: str) -> Suite:
    return Suite(name)


def suites() -> list[Suite]:
    """All of them; none where the shared folder is missing."""
    if not FEDERATION.is_dir():
        return []
    return [suite(path.parent.name) for path in sorted(FEDERATION.glob("*/cases.json"))]


def all_cases() -> list[Case]:
    return [case for s in suites() for case in s.cases]


@cache
def mock_module() -> ModuleType:
    """mock.py, loaded as a module; it reads its folder from the command line's arguments."""
    spec = importlib.util.spec_from_file_location("botberi_federation_mock", FEDERATION / "mock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.argv = sys.argv, ["mock.py", str(FEDERATION), "0"]
    try:
        spec.loader.exec_module(module)
    finally:
        sys.argv = before
    return module


def reset() -> None:
    """Forget what the stateful suite (`mutations`) remembers."""
    mock_module().STATE.update(products=[], categories=[], numbers={})


@dataclass
class MockClient:
    """A mock subgraph in this process. Values cross as JSON, as on a wire."""

    suite: str
    subgraph: str
    requests: list[SubgraphRequest] = field(default_factory=list)

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        self.requests.append(request)
        body = {"query": request.operation, "variables": request.variables, "operationName": request.operation_name}
        answer = json.loads(json.dumps(mock_module().get(self.suite, self.subgraph).run(json.loads(json.dumps(body)))))
        return SubgraphResponse(answer.get("data"), answer.get("errors") or ())

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        raise NotImplementedError("no suite has subscriptions")
        yield

    async def aclose(self) -> None:
        return


@contextmanager
def served() -> Iterator[str]:
    """All suites over HTTP from threads of this process.

    Gives the base URL, under which `/<suite>/<subgraph>` are the endpoints.
    """
    module = mock_module()
    server = module.ThreadingHTTPServer(("127.0.0.1", 0), module.H)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
