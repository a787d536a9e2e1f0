"""Graphs -> their subgraphs running on a port each, with the supergraph's file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from lab.bench.gateway.graph import Graph
from lab.bench.gateway.process import Server, pinned
from lab.bench.gateway.tools import build


@dataclass(frozen=True)
class Site:
    """A graph whose subgraphs answer."""

    graph: Graph
    port: int
    folder: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def supergraph(self) -> Path:
        return self.folder / "supergraph.graphql"

    def calls(self) -> int:
        """Requests that the subgraphs had so far, all together."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/counts")
        counts: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return sum(counts.values())


@contextmanager
def served(graph: Graph, folder: Path, cores: str | None) -> Iterator[Site]:
    """The graph's subgraphs while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    world = folder / "world.json"
    world.write_text(json.dumps(graph.world()))
    command = pinned([str(build().subgraphs), "-world", str(world)], cores)
    # GOGC: the remembered answers are live memory, and collecting them again and again would be the benchmark's own
    # cost.
    with Server(command, folder / "subgraphs.log", env={"GOMAXPROCS": "1", "GOGC": "400"}, pipe=True) as server:
        line = server.output.readline()
        if not line.strip():
            raise RuntimeError(f"the subgraphs' server ended: {server.last_words()}")
        site = Site(graph, int(line), folder)
        site.supergraph.write_text(graph.supergraph(site.base))
        services = [
            {"name": name, "url": f"{site.base}/{name}", "schema": one.federation_1}
            for name, one in graph.subgraphs.items()
        ]
        (folder / "federation-1.json").write_text(json.dumps(services))
        yield site
