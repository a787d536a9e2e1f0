"""Signing up, in and out; sessions and API keys; what ends at once everywhere."""

import asyncio
import secrets
from typing import Any

from tests.platform.clients import Client
from tests.platform.running import RunningPlatform

ME = "{ me { id email displayName role } }"


def newcomer() -> dict[str, str]:
    """A new person, unknown to the platform."""
    name = secrets.token_hex(6)
    return {"email": f"{name}@example.com", "password": f"long enough {name}", "displayName": f"Newcomer {name}"}


async def test_register_login_me_logout_by_cookie(anonymous: Client) -> None:
    person = newcomer()
    made = await anonymous.mutate("register", "... on RegisterSuccess { account { id } }", input=person)
    assert made["__typename"] == "RegisterSuccess", made
    assert (await anonymous.ask("{ me { id } }"))["me"] is None

    await anonymous.sign_in(person["email"], person["password"])
    me = (await anonymous.ask(ME))["me"]
    assert (me["email"], me["displayName"], me["role"]) == (person["email"], person["displayName"], "USER")

    gone = await anonymous.mutate("logout", "... on LogoutSuccess { session { id } }")
    assert gone["__typename"] == "LogoutSuccess", gone
    await _until(lambda: _me_is_null(anonymous))


async def test_the_session_cookie_is_for_the_browser_alone(anonymous: Client) -> None:
    person = newcomer()
    await anonymous.mutate("register", "", input=person)
    query = "mutation($i: LoginInput!) { login(input: $i) { __typename } }"
    given = {"email": person["email"], "password": person["password"]}
    async with anonymous.session.post(anonymous.url, json={"query": query, "variables": {"i": given}}) as response:
        cookie = response.cookies["botberi_session"]
    assert cookie["httponly"]
    assert cookie["samesite"].lower() in ("lax", "strict")
    assert cookie["path"] == "/"


async def test_wrong_passwords_and_taken_addresses_are_typed_errors(anonymous: Client) -> None:
    person = newcomer()
    await anonymous.mutate("register", "", input=person)
    wrong = await anonymous.mutate("login", "", input={"email": person["email"], "password": "not this one at all"})
    unknown = await anonymous.mutate("login", "", input={"email": "no-" + person["email"], "password": "not this one"})
    assert wrong["__typename"] == unknown["__typename"] == "UnauthenticatedError"
    assert wrong["message"] == unknown["message"]
    again = await anonymous.mutate("register", "", input=person)
    assert again["__typename"] in ("ConflictError", "ValidationError"), again
    weak = await anonymous.mutate("register", "", input=newcomer() | {"password": "short"})
    assert weak["__typename"] == "ValidationError"
    assert [field["path"] for field in weak["fields"]] == [["password"]]


async def test_an_api_key_works_and_a_revoked_one_stops_within_a_second(
    platform: RunningPlatform, user: Client
) -> None:
    selection = "... on CreateApiKeySuccess { secret apiKey { id scopes } }"
    made = await user.mutate("createApiKey", selection, input={"name": "script", "scopes": ["instances:read"]})
    assert made["apiKey"]["scopes"] == ["instances:read"]
    async with Client(platform.url, made["secret"]) as script:
        assert (await script.ask("{ instances(first: 1) { totalCount } }"))["instances"]["totalCount"] >= 0
        refused = await script.mutate("createInstance", "", input={"name": "no"})
        assert refused["__typename"] == "ForbiddenError"

        await user.mutate("revokeApiKey", "", id=made["apiKey"]["id"])
        await asyncio.sleep(1.1)
        status, answer = await script.post({"query": ME})
        assert status == 401
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_ended_session_stops_within_a_second(platform: RunningPlatform, anonymous: Client) -> None:
    person = newcomer()
    await anonymous.mutate("register", "", input=person)
    token = await anonymous.sign_in(person["email"], person["password"])
    async with Client(platform.url, token) as other:
        assert (await other.ask(ME))["me"]["email"] == person["email"]
        await anonymous.mutate("logout", "")
        await asyncio.sleep(1.1)
        status, _ = await other.post({"query": ME})
        assert status == 401


async def test_nonsense_credentials_are_refused_clearly(platform: RunningPlatform) -> None:
    for token in ("nonsense", "bbs_" + "x" * 43, "", "a" * 5000):
        async with Client(platform.url, token) as client:
            status, answer = await client.post({"query": ME})
            assert status == 401, (token[:20], answer)
            assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_others_see_no_address_keys_or_sessions(anonymous: Client, user: Client) -> None:
    query = "{ agents(first: 1) { nodes { publisher { displayName email role } } } }"
    for client in (anonymous, user):
        answer = await client.execute(query)
        publisher = answer["data"]["agents"]["nodes"][0]["publisher"]
        assert publisher["displayName"] == "Botberi"
        assert publisher["email"] is None


async def _me_is_null(client: Client) -> bool:
    answer: dict[str, Any] = await client.execute("{ me { id } }")
    return answer["data"]["me"] is None


async def _until(holds: Any, timeout_seconds: float = 3.0) -> None:
    async with asyncio.timeout(timeout_seconds):
        while not await holds():  # noqa: ASYNC110 - what is awaited is elsewhere
            await asyncio.sleep(0.1)
