"""The configuration is read again while the gateway serves: what changes, what is refused, what needs a restart."""

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway.config import GatewayConfig
from botberi_gateway.config.setting import Setting, settings_of
from botberi_gateway.server.reloading import needing_restart
from gateway.tests.schema_delivery.test_delivery import REVIEWS_WITH_STARS, supergraph
from gateway.tests.server.test_cli import serving
from gateway.tests.support.editable_subgraphs import Services, services
from gateway.tests.support.live_server import LiveServer


@pytest.fixture
def remote() -> Iterator[tuple[Services, LiveServer]]:
    with services() as pair:
        yield pair


def ask(url: str, query: str) -> Any:
    head = {"content-type": "application/json"}
    request = urllib.request.Request(f"{url}/graphql", json.dumps({"query": query}).encode(), head)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def code(url: str, query: str) -> str | None:
    errors = ask(url, query).get("errors")
    return None if errors is None else str(errors[0]["extensions"]["code"])


def warnings(url: str) -> dict[str, str]:
    with urllib.request.urlopen(f"{url}/ready", timeout=10) as answer:
        return dict(json.loads(answer.read()).get("warnings", {}))


def metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


DEEP = "{ me { reviews { body } } }"


def written(file: Path, graph: dict[str, Any], **more: Any) -> None:
    """JSON is YAML."""
    file.write_text(json.dumps({"graph": {**graph, "watch_interval_seconds": 0.1}, **more}))


def test_a_changed_file_is_used_and_a_bad_one_is_refused(remote: tuple[Services, LiveServer], tmp_path: Path) -> None:
    parts, server = remote
    file, graph = tmp_path / "gateway.yaml", {"supergraph": {"sdl": supergraph(server)}}
    written(file, graph, watch=True)
    with serving("--config", str(file)) as (process, url):
        assert code(url, DEEP) is None
        written(file, graph, watch=True, engine={"operation": {"max_depth": 2}})
        until(lambda: code(url, DEEP) == "LIMIT_EXCEEDED")
        assert code(url, "{ me { name } }") is None
        # What can't be used changes nothing, not even what could be used of it.
        written(file, graph, watch=True, engine={"operation": {"max_dpeth": 9}}, transport={"max_body_bytes": 10})
        until(lambda: "configuration" in warnings(url))
        assert code(url, DEEP) == "LIMIT_EXCEEDED"
        # A graph that doesn't compose is the fault of the file that names it.
        written(file, {"supergraph": {"sdl": "type Query { a: Int }"}}, watch=True)
        until(lambda: 'gateway_configuration_reloads_total{outcome="refused"} 2.0' in metrics(url))
        # Another graph and other limits of requests, both at once.
        parts.sdls["reviews"] = REVIEWS_WITH_STARS
        changed = {"supergraph": {"sdl": supergraph(server, REVIEWS_WITH_STARS)}}
        written(file, changed, watch=True, transport={"max_body_bytes": 60})
        until(lambda: warnings(url) == {})
        assert code(url, "{ me { reviews { stars } } }") is None
        with pytest.raises(urllib.error.HTTPError, match="413"):
            ask(url, "{ me { reviews { stars body } } } # and so on, and so on, and so on")
        assert 'gateway_configuration_reloads_total{outcome="applied"} 2.0' in metrics(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        log = process.stderr.read()
        assert "is engine.operation.max_depth meant?" in log
        assert "no supergraph" in log


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_has_it_read_again_in_every_process(
    remote: tuple[Services, LiveServer], tmp_path: Path, workers: int
) -> None:
    file, graph = tmp_path / "gateway.yaml", {"supergraph": {"sdl": supergraph(remote[1])}}
    written(file, graph)
    with serving("--config", str(file), "--workers", str(workers)) as (process, url):
        written(file, graph, engine={"operation": {"max_depth": 2}}, server={"path": "/elsewhere"})
        time.sleep(0.3)
        assert code(url, DEEP) is None, "it is not watched"
        process.send_signal(signal.SIGHUP)
        # Connections go to the workers in turn.
        until(lambda: [code(url, DEEP) for _ in range(workers * 2)] == ["LIMIT_EXCEEDED"] * workers * 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "take effect when the gateway starts again: server.path" in process.stderr.read()


def test_an_option_holds_after_the_file_is_read_again(remote: tuple[Services, LiveServer], tmp_path: Path) -> None:
    file, graph = tmp_path / "gateway.yaml", {"supergraph": {"sdl": supergraph(remote[1])}}
    written(file, graph, watch=True)
    with serving("--config", str(file), "--set", "engine.operation.max_depth=2") as (_, url):
        written(file, graph, watch=True, engine={"operation": {"max_depth": 9, "max_aliases": 1}})
        until(lambda: code(url, "{ a: me { b: name } }") == "LIMIT_EXCEEDED")
        assert code(url, DEEP) == "LIMIT_EXCEEDED"


def test_what_needs_a_restart_is_named() -> None:
    restart = {entry.path for entry in settings_of(GatewayConfig()) if isinstance(entry, Setting) and entry.restart}
    assert {"server.port", "server.workers", "server.path"} <= restart
    old = GatewayConfig()
    new = replace(
        old, server=replace(old.server, port=1, drain_timeout_seconds=1.0), log=replace(old.log, level="debug")
    )
    assert needing_restart(old, new) == ["server.port"]
