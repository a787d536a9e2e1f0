"""GraphiQL in a real browser: a query, and a live subscription of a real run, with nothing fetched from elsewhere."""

import re

import pytest

from tests.platform.browsing import Browser
from tests.platform.running import RunningPlatform

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("graphiql_is_built")]


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
