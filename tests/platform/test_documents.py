"""The documents of the running platform: each service's reference and REST endpoints, in a browser and without."""

import re

import aiohttp
import pytest
from openapi_spec_validator import validate

from botberi.wiring.documents import ENDPOINTS
from tests.platform.browsing import Browser
from tests.platform.running import RunningPlatform


async def fetch(platform: RunningPlatform, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(platform.base + path) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("path", ["/docs", "/docs/identity", "/docs/catalog", "/docs/instance"])
async def test_each_service_has_a_reference_and_a_valid_openapi_document(embedded: RunningPlatform, path: str) -> None:
    status, page = await fetch(embedded, path)
    assert status == 200
    assert 'id="Query"' in page
    async with aiohttp.ClientSession() as session, session.get(f"{embedded.base}{path}/openapi.json") as answer:
        validate(await answer.json())
    assert (await fetch(embedded, f"{path}/rest"))[0] == 200


async def test_the_gateways_says_which_subgraph_owns_what(embedded: RunningPlatform) -> None:
    _, page = await fetch(embedded, "/docs")
    for coordinate, owner in [
        ("Query.agents", "catalog"),
        ("Account.instances", "instance"),
        ("Mutation.createApiKey", "identity"),
    ]:
        article = re.search(rf'<article id="{re.escape(coordinate)}".*?</article>', page, re.DOTALL)
        assert article is not None, coordinate
        assert f'<p class="owner">From {owner}</p>' in article[0]


async def test_each_endpoint_without_a_parameter_answers_as_described(embedded: RunningPlatform) -> None:
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET" and "{" not in endpoint.path:
            async with aiohttp.ClientSession() as session:
                url = embedded.base + endpoint.path
                async with session.get(url, headers={"accept": "text/html, */*"}, allow_redirects=False) as answer:
                    assert answer.status in endpoint.answers, endpoint.path
                    _, kind = endpoint.answers[answer.status]
                    assert kind is None or answer.content_type == kind, endpoint.path


async def test_no_path_below_leads_into_a_subgraph(embedded: RunningPlatform) -> None:
    for path in ("/docs/identity/metrics", "/docs/identity/..%2fmetrics", "/docs/identity/files/..%2f..%2fmetrics"):
        assert (await fetch(embedded, path))[0] == 404


@pytest.mark.browser
def test_the_search_shows_the_types_that_have_every_word(browser: Browser, embedded: RunningPlatform) -> None:
    page = browser.page
    page.goto(f"{embedded.base}/docs")
    assert page.locator("section#Agent").is_visible()
    page.fill("#search", "cancelInstance")
    assert page.locator("article[id='Mutation.cancelInstance']").is_visible()
    assert not page.locator("article[id='Mutation.createInstance']").is_visible()
    assert not page.locator("section#Agent").is_visible()
    assert re.fullmatch(r"\d+ of \d+ types", page.inner_text("#found"))
    assert (browser.errors, browser.elsewhere) == ([], [])


@pytest.mark.browser
def test_swagger_ui_shows_the_endpoints(browser: Browser, embedded: RunningPlatform) -> None:
    page = browser.page
    page.goto(f"{embedded.base}/docs/rest")
    page.wait_for_selector("#swagger .opblock")
    assert "/.well-known/jwks.json" in page.inner_text("#swagger")
    assert (browser.errors, browser.elsewhere) == ([], [])


@pytest.mark.browser
@pytest.mark.usefixtures("graphiql_is_built")
def test_an_example_opens_in_graphiql(browser: Browser, embedded: RunningPlatform) -> None:
    page = browser.page
    page.goto(f"{embedded.base}/docs/catalog")
    article = page.locator("article[id='Query.agents']")
    article.locator("summary").click()
    article.locator("a.try").click()
    page.wait_for_selector(".graphiql-query-editor .view-line")
    page.locator(".graphiql-query-editor", has_text=re.compile("query.Agents")).wait_for()
    page.click(".graphiql-execute-button")
    page.locator(".graphiql-response", has_text="tabular-anomaly").wait_for()
    assert (browser.errors, browser.elsewhere) == ([], [])
