"""The image of the gateway alone: small, not root, on a read-only file system, serving a graph."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.checks import containers
from tests.containers.stack import eventually, get_json
from tests.platform.running import ROOT, free_ports

IMAGE = "botberi-gateway:test"
#: Megabytes of the layers that are not the base image's.
MAX_OWN_MB = 80.0


@pytest.fixture(scope="module")
def image() -> str:
    base = containers.base_of("infra/container/gateway.Dockerfile")
    assert containers.obtain([base]) == {base}
    containers.build(IMAGE, "infra/container/gateway.Dockerfile")
    return base


def inspect(name: str) -> dict[str, object]:
    said = subprocess.run(["docker", "image", "inspect", name], capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, object] = json.loads(said.stdout)[0]
    return found


def test_its_own_layers_are_small_and_it_is_not_root(image: str) -> None:
    found = inspect(IMAGE)
    own = (float(str(found["Size"])) - float(str(inspect(image)["Size"]))) / 1e6
    print(f"own layers: {own:.1f} MB")
    assert own <= MAX_OWN_MB
    config = found["Config"]
    assert isinstance(config, dict)
    assert config["User"] == "10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "healthy", "4000", "/health"]


@pytest.fixture
def served(image: str, tmp_path: Path) -> Iterator[int]:
    [port] = free_ports(1)
    tmp_path.chmod(0o755)
    supergraph = next((ROOT / "gateway/tests").rglob("supergraph.graphql"))
    (tmp_path / "supergraph.graphql").write_text(supergraph.read_text())
    command = ["docker", "run", "-d", "--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true"]
    command += ["-p", f"127.0.0.1:{port}:4000", "-v", f"{tmp_path}:/etc/botberi:ro", IMAGE]
    name = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    yield port
    subprocess.run(["docker", "rm", "-f", name], capture_output=True, timeout=60, check=True)


def test_it_serves_a_supergraph_read_only(served: int) -> None:
    eventually(lambda: get_json(f"http://127.0.0.1:{served}/health")["status"] == "ok", 30, "the gateway's health")
    with_query = f"http://127.0.0.1:{served}/graphql?query=%7B__typename%7D"
    assert get_json(with_query) == {"data": {"__typename": "Query"}}
