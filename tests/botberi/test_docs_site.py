"""The site of the documentation: built without a warning, whole, searchable, and without a question to another host."""

import asyncio
import json
import re
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest

from lab.checks.debian import chromium
from lab.docs_site import SiteError, Source, build, heading, navigation, on_site, source

#: Attributes that make a browser load something, by element; links that a reader has to follow are none.
LOADED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "audio": "src",
    "video": "src",
}
#: Elements for which the theme's program would load a library from another host.
NEED_A_LIBRARY = ("mermaid", "glightbox", "pyodide", "ace-editor")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("docs") / "site"
    build(target, source())
    return target


class Loads(HTMLParser):
    """The addresses that a page loads when it is opened, and the classes in it."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.classes.update((values.get("class") or "").split())
        address = values.get(LOADED.get(tag, ""))
        # A canonical address and the like are for machines that look for them.
        if address is not None and not (tag == "link" and values.get("rel") not in ("stylesheet", "icon", "preload")):
            self.addresses.append(address)


def test_every_page_is_on_the_site(site: Path) -> None:
    pages = source().pages
    assert len(pages) > 150
    for page in pages:
        built = page.with_name("index.html") if page.name == "README.md" else page.with_suffix(".html")
        assert (site / built).is_file(), page


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    opened = 0
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text())
        assert [address for address in loads.addresses if urlsplit(address).netloc] == [], page
        assert loads.classes.isdisjoint(NEED_A_LIBRARY), page
        opened += bool(loads.addresses)
    assert opened > 150
    for style in site.rglob("*.css"):
        text = style.read_text()
        assert re.findall(r"url\(\s*['\"]?(?:https?:)?//", text) == [], style
        assert re.findall(r"@import\s+(?:url\()?\s*['\"]?(?:https?:)?//", text) == [], style


def test_the_search_knows_every_section(site: Path) -> None:
    index = json.loads((site / "search.json").read_text())
    text = json.dumps(index)
    for expected in ("SATISFIABILITY_ERROR", "BOTBERI_AMQP_URL", "fencing token", "share_subgraph_requests"):
        assert expected in text, expected


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None, reason="needs Chromium")
async def test_a_browser_searches_and_asks_no_other_host(site: Path) -> None:
    from playwright.async_api import async_playwright

    asked: set[str] = set()
    with served(site) as address:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            try:
                page = await browser.new_page()
                page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
                await page.goto(f"{address}/docs/architecture/executor.html")
                # The key does nothing until the page's scripts run, for which a busy machine may take a while.
                async with asyncio.timeout(60):
                    while await page.evaluate("document.activeElement === document.body"):
                        await page.keyboard.press("/")
                        await asyncio.sleep(0.5)
                await page.keyboard.type("satisfiability")
                await page.get_by_text("SATISFIABILITY_ERROR").first.wait_for(timeout=60_000)
            finally:
                await browser.close()
        assert asked == {urlsplit(address).netloc}


class served:
    """The folder over HTTP, as long as the block lasts; enters with its address."""

    def __init__(self, folder: Path) -> None:
        handler = partial(_Quiet, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def small(tmp_path: Path) -> Source:
    """A site of one page, and a page that no section of the navigation would have."""
    (tmp_path / "README.md").write_text("# Home\n\n[Nothing](#nothing)\n")
    return Source(tmp_path, (PurePosixPath("README.md"),), ())


def test_a_broken_anchor_is_an_error_that_names_its_place(small: Source, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"README\.md:3"):
        build(tmp_path / "site", small)


def test_a_page_that_no_section_has_is_an_error(small: Source) -> None:
    (small.root / "new").mkdir()
    (small.root / "new" / "page.md").write_text("# Page\n")
    with pytest.raises(SiteError, match=r"new/page\.md"):
        navigation(Source(small.root, (*small.pages, PurePosixPath("new/page.md")), ()))


def test_links_that_leave_the_site_become_text() -> None:
    known = [PurePosixPath("docs/a.md"), PurePosixPath("docs/b/README.md"), PurePosixPath("docs/c.json")]
    written = (
        "[a](a.md#x) [b](b/) [`c`](c.json) [code](../gateway/cli.py) [web](https://example.org/x)\n"
        "```\n[code](../gateway/cli.py)\n```\n"
    )
    assert on_site(written, PurePosixPath("docs/page.md"), known) == (
        "[a](a.md#x) [b](b/README.md) [`c`](c.json) code [web](https://example.org/x)\n"
        "```\n[code](../gateway/cli.py)\n```\n"
    )


def test_a_page_is_called_by_its_first_heading() -> None:
    assert heading("\n# The `planner`\n\n# Other\n", PurePosixPath("x.md")) == "The planner"
    with pytest.raises(SiteError, match=r"x\.md has no heading"):
        heading("text", PurePosixPath("x.md"))
