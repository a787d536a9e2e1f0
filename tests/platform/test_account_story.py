"""An account from its invitation to its closing, over the API and in a browser, on one platform that sends mails."""

import asyncio
import json
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from playwright.sync_api import Page, sync_playwright

from lab.checks.debian import chromium
from tests.platform.browsing import FLAGS, TIMEOUT_MS
from tests.platform.clients import Client
from tests.platform.running import RunningPlatform
from tests.support.openid_provider import OpenIdProvider, openid_provider

PASSWORD = "a first run with botberi"


@contextmanager
def provider_in_a_thread() -> Iterator[OpenIdProvider]:
    """The provider on a loop of its own: the browser's tests have none."""
    started, stop = threading.Event(), threading.Event()
    made: list[OpenIdProvider] = []

    async def serve() -> None:
        async with openid_provider() as provider:
            made.append(provider)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(20)
        yield made[0]
    finally:
        stop.set()
        thread.join(20)


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with provider_in_a_thread() as running:
        yield running


@pytest.fixture(scope="module")
def mailing(provider: OpenIdProvider) -> Iterator[RunningPlatform]:
    """A platform whose registration is by mail, and whose waits are short."""
    environment = {
        "BOTBERI_REGISTRATION_CONFIRMED": "true",
        "BOTBERI_CLOSING_DAYS": "0",
        "BOTBERI_IDENTITY_SWEEP_SECONDS": "1",
        "BOTBERI_JANITOR_INTERVAL_SECONDS": "1",
        "BOTBERI_OIDC_PROVIDERS": json.dumps(provider.settings()),
    }
    with RunningPlatform(environment=environment) as platform:
        yield platform


def link_to(platform: RunningPlatform, address: str, page: str) -> str:
    """The link of the newest mail to an address; fails when none comes."""
    deadline = time.monotonic() + 30
    pattern = re.compile(rf"mail to {re.escape(address)}.*?(http\S+/account/{page}#token=\S+)")
    while time.monotonic() < deadline:
        found = pattern.findall(platform.output.text)
        if found:
            return str(found[-1])
        time.sleep(0.1)
    raise AssertionError(f"no link {page} to {address}:\n{platform.output.text[-3000:]}")


def subjects_to(platform: RunningPlatform, address: str) -> list[str]:
    return re.findall(rf"mail to {re.escape(address)}, (.*?) \(", platform.output.text)


async def until(holds: Any, what: str, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := await holds()) is not None:
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"never: {what}")


async def test_from_the_invitation_to_the_closing(mailing: RunningPlatform) -> None:
    address = f"{secrets.token_hex(6)}@example.com"
    async with Client(mailing.url) as admin, Client(mailing.url) as person:
        await admin.sign_in(*mailing.password("admin"))
        await admin.mutate("inviteAccount", "", input={"email": address})
        invitation = (await asyncio.to_thread(link_to, mailing, address, "register")).partition("token=")[2]
        given = {"email": address, "password": PASSWORD, "displayName": "Ada", "invitation": invitation}
        made = await person.mutate("register", "... on RegisterSuccess { account { id } }", input=given)
        assert made["account"]["id"], made

        # Lost at once: a new password by a link.
        await person.mutate("requestPasswordReset", "", email=address)
        token = (await asyncio.to_thread(link_to, mailing, address, "reset")).partition("token=")[2]
        fresh = PASSWORD + " again"
        await person.mutate("resetPassword", "", input={"token": token, "newPassword": fresh})
        await person.sign_in(address, fresh)

        # Another address.
        moved = f"moved-{address}"
        await person.mutate("changeEmail", "", newEmail=moved)
        token = (await asyncio.to_thread(link_to, mailing, moved, "verify")).partition("token=")[2]
        await person.mutate("verifyEmail", "", token=token)
        assert (await person.ask("{ me { email } }"))["me"]["email"] == moved
        assert "Your address was changed" in await asyncio.to_thread(_subjects, mailing, address, "Your address was ch")

        # A run, whose data is in the export.
        agent = (await person.ask('{ agent(slug: "text-insights") { id } }'))["agent"]["id"]
        run = {"agentId": agent, "name": "mine", "parameters": {"texts": ["What a lovely day."]}}
        await person.mutate("createInstance", "", input=run)
        await person.mutate("exportAccount", "")

        async def export() -> Any:
            [found] = (await person.ask("{ me { dataExports { url } } }"))["me"]["dataExports"]
            return found["url"]

        url = await until(export, "the export is written")
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            said = await answer.json()
        assert [row["email"] for row in said["account"]] == [moved]
        assert [row["name"] for row in said["instances"]] == ["mine"]

        # Closed: the run goes, the address is free, its owner is informed.
        closed = await person.mutate("closeAccount", "... on CloseAccountSuccess { account { closesAt } }")
        assert closed["account"]["closesAt"]
        await asyncio.to_thread(_subjects, mailing, moved, "Your account was closed")

        async def is_out() -> Any:
            status, answer = await person.post({"query": "{ me { id } }"})
            return True if status == 401 or answer["data"]["me"] is None else None

        await until(is_out, "the session has ended", 5)
        listing = "query ($f: AccountFilter) { accounts(filter: $f) { totalCount } }"
        found = await admin.ask(listing, {"f": {"search": moved}})
        assert found["accounts"]["totalCount"] == 0


def _subjects(platform: RunningPlatform, address: str, beginning: str) -> list[str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = subjects_to(platform, address)
        if any(subject.startswith(beginning) for subject in found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{beginning!r} was not sent to {address}:\n{platform.output.text[-3000:]}")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser with a virtual authenticator, which verifies its user at each touch."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium: install it, or name it in BOTBERI_TEST_CHROMIUM")
    profile = tempfile.mkdtemp(prefix="botberi-chromium-")
    try:
        with sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                profile, executable_path=program, headless=True, args=FLAGS
            )
            made = context.new_page()
            made.set_default_timeout(TIMEOUT_MS)
            devtools = context.new_cdp_session(made)
            devtools.send("WebAuthn.enable")
            options = {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
            devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
            yield made
            context.close()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def said(page: Page, pattern: str) -> None:
    page.locator("#message", has_text=re.compile(pattern)).wait_for()


def open_page(page: Page, platform: RunningPlatform, address: str) -> None:
    # A passkey is for a host name: the address that is in mails as well.
    page.goto(address if address.startswith("http") else f"http://localhost:{platform.port}/account/{address}")


@pytest.mark.browser
def test_links_passkeys_and_the_second_step_in_a_browser(mailing: RunningPlatform, page: Page) -> None:
    address = f"{secrets.token_hex(6)}@example.com"
    open_page(page, mailing, "register")
    page.fill("[name=email]", address)
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=displayName]", "Ada")
    page.click("button")
    said(page, "A mail with a link is on its way")
    link = link_to(mailing, address, "verify")
    for text in ("The address is confirmed", "not valid, or not any more"):
        page.goto("about:blank")
        open_page(page, mailing, link)
        page.click("#verify-form button")
        said(page, text)

    open_page(page, mailing, "reset")
    page.fill("#request-form [name=email]", address)
    page.click("#request-form button")
    said(page, "If the address has an account")
    open_page(page, mailing, link_to(mailing, address, "reset"))
    page.fill("#reset-form [name=password]", PASSWORD + " new")
    page.click("#reset-form button")
    said(page, "The password is changed")

    open_page(page, mailing, "login")
    page.fill("[name=email]", address)
    page.fill("[name=password]", PASSWORD + " new")
    page.click("#password-form button")
    said(page, "You are signed in, Ada")

    open_page(page, mailing, "passkeys")
    page.fill("#add-form [name=name]", "Laptop")
    page.click("#add-form button")
    said(page, "The passkey is added")
    page.once("dialog", lambda dialog: dialog.accept("Old laptop"))
    page.click("button[aria-label='Rename Laptop']")
    page.locator("#passkeys li", has_text="Old laptop").wait_for()

    # Another browser session, no password.
    page.context.clear_cookies()
    open_page(page, mailing, "login")
    page.click("#passkey-login")
    said(page, "You are signed in, Ada")

    open_page(page, mailing, "passkeys")
    page.click("button[aria-label='Remove Old laptop']")
    said(page, "The passkey is removed")
    page.context.clear_cookies()
    open_page(page, mailing, "login")
    page.click("#passkey-login")
    said(page, "The passkey was not accepted")


@pytest.mark.browser
def test_the_way_back_of_a_provider_in_a_browser(
    mailing: RunningPlatform, provider: OpenIdProvider, page: Page
) -> None:
    provider.person = {"sub": "p1", "email": "grace@corp.example", "email_verified": True, "name": "Grace"}
    page.context.clear_cookies()
    open_page(page, mailing, "login")
    page.click("text=Sign in with Corp")
    said(page, "You are signed in, Grace")
    assert page.url == f"http://localhost:{mailing.port}/account/provider", "the code is out of the address"
    # The same answer in a browser that began nothing.
    page.goto(f"http://localhost:{mailing.port}/account/provider?code=x&state=y")
    said(page, "This sign-in was not begun here")


@pytest.mark.browser
def test_pages_take_nothing_from_elsewhere_and_are_in_no_frame(mailing: RunningPlatform, page: Page) -> None:
    for name in ("login", "register", "verify", "reset", "passkeys", "provider"):
        answer = page.goto(f"http://localhost:{mailing.port}/account/{name}")
        assert answer is not None
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    missing = page.goto(f"http://localhost:{mailing.port}/account/other")
    assert missing is not None
    assert missing.status == 404
