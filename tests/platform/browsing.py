"""A real browser on the platform, which notes what it fetched from elsewhere and the errors of its pages."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from botberi_gateway.transport.graphiql.build import is_built
from lab.checks.debian import chromium
from tests.platform.running import RunningPlatform

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
#: A first page on a busy machine parses seven megabytes of editor.
TIMEOUT_MS = 60_000


@dataclass
class Browser:
    """A page, and what happened on it."""

    page: Page
    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def browser(embedded: RunningPlatform) -> Iterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip("no Chromium: install it, or name it in BOTBERI_TEST_CHROMIUM")
    profile = tempfile.mkdtemp(prefix="botberi-chromium-")
    try:
        with sync_playwright() as playwright:
            context: BrowserContext = playwright.chromium.launch_persistent_context(
                profile, executable_path=program, headless=True, args=FLAGS, viewport={"width": 1300, "height": 800}
            )
            found = Browser(context.new_page())
            own = (embedded.base, embedded.base.replace("127.0.0.1", "localhost"), "data:", "blob:")
            context.on("request", lambda r: None if r.url.startswith(own) else found.elsewhere.append(r.url))
            found.page.on("pageerror", lambda error: found.errors.append(str(error)))
            found.page.set_default_timeout(TIMEOUT_MS)
            yield found
            context.close()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def graphiql_is_built() -> None:
    if not is_built():
        pytest.skip("GraphiQL is not built: python -m botberi_gateway.transport.graphiql.build")
