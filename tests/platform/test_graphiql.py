"""GraphiQL in a real browser: a query, and a live subscription of a real run, with nothing fetched from elsewhere."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from botberi_gateway.transport.graphiql.build import is_built
from lab.checks.debian import chromium
from tests.platform.running import RunningPlatform

pytestmark = pytest.mark.browser

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
    if not is_built():
        pytest.skip("GraphiQL is not built: python -m botberi_gateway.transport.graphiql.build")
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


def open_graphiql(browser: Browser, url: str) -> None:
    browser.page.goto(url)
    browser.page.wait_for_selector(".graphiql-execute-button")
    browser.page.wait_for_selector(".graphiql-query-editor .view-line")


def run(browser: Browser, operation: str) -> None:
    """Replace what the editor holds, and execute it. To begin with a bracket would make the editor add its twin."""
    assert operation[0].isalpha()
    browser.page.click(".graphiql-query-editor .monaco-editor .view-lines")
    browser.page.keyboard.press("Control+A")
    browser.page.keyboard.insert_text(operation)
    # The editor hands its text over a moment after it was typed.
    browser.page.wait_for_timeout(800)
    browser.page.click(".graphiql-execute-button")


def expect(browser: Browser, pattern: str) -> str:
    """Wait for the response to match; Monaco shows spaces as non-breaking ones."""
    locator = browser.page.locator(".graphiql-response", has_text=re.compile(pattern))
    locator.wait_for()
    return locator.inner_text().replace("\u00a0", " ")


def test_a_query_and_a_live_subscription(browser: Browser, embedded: RunningPlatform) -> None:
    open_graphiql(browser, embedded.url)
    # The page begins with the first query that the README shows.
    browser.page.click(".graphiql-execute-button")
    expect(browser, r"displayName")
    run(browser, 'query { agent(slug: "text-insights") { name publisher { displayName } } }')
    assert "Botberi" in expect(browser, r"Text\sinsights")

    email, password = embedded.password("user")
    run(browser, f'mutation {{ login(input: {{email: "{email}", password: "{password}"}}) {{ __typename }} }}')
    expect(browser, r"LoginSuccess")
    run(browser, "query { me { email } }")
    assert email in expect(browser, r"user@")

    # The session cookie alone signs in the socket, as it did the requests.
    run(browser, "subscription { instancesUpdated { status progress agent { name } result } }")
    browser.page.wait_for_timeout(1500)
    made = browser.page.evaluate(
        """async () => {
            const post = (body) => fetch('/graphql', {
                method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body),
            }).then((answer) => answer.json());
            const {data} = await post({query: '{ agent(slug: "text-insights") { id } }'});
            return post({
                query: 'mutation($i: CreateInstanceInput!) { createInstance(input: $i) ' +
                    '{ __typename ... on CreateInstanceSuccess { instance { id } } } }',
                variables: {i: {agentId: data.agent.id, parameters: {texts: ['What a lovely day it is.']}}},
            });
        }"""
    )
    assert made["data"]["createInstance"]["__typename"] == "CreateInstanceSuccess", made
    text = expect(browser, r"SUCCEEDED")
    assert "Text insights" in text

    # Its log, line by line to the end; then from a cursor on. The button stops what still runs first.
    browser.page.click(".graphiql-execute-button")
    instance = made["data"]["createInstance"]["instance"]["id"]
    run(browser, f'subscription {{ instanceLogs(id: "{instance}") {{ sequence message }} }}')
    log = expect(browser, r"Succeeded\.")
    last = int(re.search(r'"sequence":\s*(\d+)', log)[1])  # type: ignore[index]
    assert f'"eventId": "{last}"' in log
    resumed = f'subscription {{ instanceLogs(id: "{instance}", after: "{last - 1}") {{ again: sequence message }} }}'
    run(browser, resumed)
    assert f'"again": {last}' in expect(browser, rf'"again":\s*{last}')
    assert browser.elsewhere == []
    assert browser.errors == []


def test_the_page_needs_no_other_origin(browser: Browser, embedded: RunningPlatform) -> None:
    answer = browser.page.goto(embedded.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
