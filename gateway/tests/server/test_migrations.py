"""The migration pages: their configurations are served as they stand, but for addresses, and do what they say."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from botberi_gateway.config import GatewayConfig
from botberi_gateway.config.setting import Branch, settings_of
from gateway.tests.schema_delivery.test_delivery import supergraph
from gateway.tests.server.test_cli import serving
from gateway.tests.support.editable_subgraphs import ACCOUNTS, REVIEWS, Services, services
from gateway.tests.support.live_server import LiveServer
from gateway.tests.support.pages import blocks

PAGES = sorted((Path(__file__).parents[3] / "docs" / "gateway" / "migrate").glob("*.md"))


@pytest.fixture
def remote() -> Iterator[tuple[Services, LiveServer]]:
    with services() as pair:
        yield pair


def ask(url: str, query: str, headers: dict[str, str] | None = None) -> tuple[Any, dict[str, str]]:
    head = {"content-type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, json.dumps({"query": query}).encode(), head)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read()), dict(answer.headers)


def test_there_is_a_page_for_each_gateway() -> None:
    assert [page.stem for page in PAGES] == ["apollo-router", "cosmo", "grafbase", "hive-gateway"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_sample_does_what_the_other_gateway_did(
    remote: tuple[Services, LiveServer], tmp_path: Path, page: Path
) -> None:
    parts, server = remote
    [block] = blocks(page, "yaml")
    text = block.text
    for name, port in (("accounts", 4001), ("reviews", 4002)):
        text = text.replace(f"http://{name}:{port}/graphql", f"{server.url}/{name}")
    (tmp_path / "gateway.yaml").write_text(text)
    for name, sdl in (("supergraph", supergraph(server)), ("accounts", ACCOUNTS), ("reviews", REVIEWS)):
        (tmp_path / f"{name}.graphql").write_text(sdl)
    with serving("--config", str(tmp_path / "gateway.yaml"), "--host", "127.0.0.1") as (_, url):
        sent = {"x-tenant": "acme", "x-other": "no", "origin": "https://app.example"}
        body, headers = ask(f"{url}/graphql", "{ me { reviews { body } } }", sent)
        assert body["data"]["me"]["reviews"], body
        assert {key.lower(): value for key, value in headers.items()}["access-control-allow-origin"] == sent["origin"]
        for name in ("accounts", "reviews"):
            seen = parts.headers[name][-1]
            assert (seen.get("x-tenant"), seen.get("x-gateway"), seen.get("x-other")) == ("acme", "router", None)
        deep, _ = ask(f"{url}/graphql", "{ __schema { types { fields { type { name } } } } }")
        assert "errors" in deep


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_name_settings_that_there_are(page: Path) -> None:
    """Each path of the tree in the right column exists; a short name is one of the last branch that was named."""
    paths = {entry.path for entry in settings_of(GatewayConfig())}
    branches = {entry.path for entry in settings_of(GatewayConfig()) if isinstance(entry, Branch)}
    roots = {path.partition(".")[0] for path in paths}
    rows = [line.split(" | ", 1)[1] for line in page.read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 15
    named = 0
    for row in rows:
        for quoted in row.split("`")[1::2]:
            path = quoted.partition(":")[0].replace("<name>", "*").strip()
            if "." in path and path.partition(".")[0] in roots:
                named += 1
                assert path in paths | branches, f"{page.stem}: {path}"
    assert named > 15


def test_a_sample_has_the_branches_that_the_tables_speak_of() -> None:
    for page in PAGES:
        [block] = blocks(page, "yaml")
        assert block.text.startswith("# gateway.yaml\n"), page
        assert {"server", "graph", "transport", "engine"} <= set(yaml.safe_load(block.text)), page
