"""Sign-in at an OpenID Connect provider: PKCE, tokens that lie, and accounts that are linked only with a proof."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import aiohttp
import pytest

from tests.subgraphs.conftest import Client
from tests.subgraphs.test_identity_accounts import mutation
from tests.subgraphs.test_second_factors import make_old, with_app
from tests.support.identity import identity_client, new_address, register, signed_in, verify
from tests.support.openid_provider import OpenIdProvider, openid_provider

BEGIN = mutation(
    "beginProviderLogin",
    {"input": "BeginProviderLoginInput!"},
    "... on BeginProviderLoginSuccess { authorizationUrl flow }",
)
FINISH = mutation(
    "finishProviderLogin",
    {"input": "FinishProviderLoginInput!"},
    "... on LoginSuccess { token account { id } } ... on ProviderLinked { account { email } }",
)
UNLINK = mutation("unlinkProvider", {"id": "ID!"})
LINKED = "{ me { linkedProviders { id issuer } } }"


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with openid_provider() as running:
        running.person = {"sub": new_address(), "email": new_address(), "email_verified": True}
        yield running


@pytest.fixture
async def client(user_database_url: str, provider: OpenIdProvider) -> AsyncIterator[Client]:
    settings = {"public_url": "https://botberi.example", "oidc_providers": provider.settings()}
    async with identity_client(user_database_url, **settings) as made:
        yield made


async def begin(client: Client, *, link: bool = False, **who: Any) -> Any:
    return (await client.ask(BEGIN, {"input": {"provider": "corp", "link": link}}, **who))["beginProviderLogin"]


async def at_provider(url: str) -> dict[str, str]:
    """What the browser brings back."""
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == "https://botberi.example/account/provider"
    return {name: values[0] for name, values in parse_qs(back.query).items()}


async def finish(client: Client, flow: str, back: dict[str, str], **who: Any) -> Any:
    given = {"flow": flow, "code": back["code"], "state": back["state"], "issuer": back["iss"]}
    return (await client.ask(FINISH, {"input": given}, **who))["finishProviderLogin"]


async def sign_in(client: Client, *, link: bool = False, **who: Any) -> Any:
    begun = await begin(client, link=link, **who)
    assert begun["__typename"] == "BeginProviderLoginSuccess", begun
    return await finish(client, begun["flow"], await at_provider(begun["authorizationUrl"]), **who)


async def test_a_newcomer_with_a_proved_address_gets_an_account_once(client: Client, provider: OpenIdProvider) -> None:
    first, second = await sign_in(client), await sign_in(client)
    assert first["account"] == second["account"]
    account_id = UUID((await verify(client, first["token"]))["account_id"])
    assert (await client.ask("{ me { email } }", account_id=account_id))["me"]["email"] == provider.person["email"]


async def test_an_address_links_no_account_that_exists(client: Client, provider: OpenIdProvider) -> None:
    _, address = await register(client)
    provider.person["email"] = address
    assert (await sign_in(client))["__typename"] == "ForbiddenError"
    who = await signed_in(client, address)
    linked = await sign_in(client, link=True, **who)
    assert linked == {"__typename": "ProviderLinked", "account": {"email": address}}
    done = await sign_in(client)
    assert (await verify(client, done["token"]))["account_id"] == str(who["account_id"])
    [link] = (await client.ask(LINKED, **who))["me"]["linkedProviders"]
    assert link["issuer"] == provider.issuer
    assert (await client.ask(UNLINK, {"id": link["id"]}, **who))["unlinkProvider"]["__typename"] == (
        "UnlinkProviderSuccess"
    )
    assert (await sign_in(client))["__typename"] == "ForbiddenError"


async def test_linking_needs_a_proof_of_late(client: Client) -> None:
    _, address = await register(client)
    who = await signed_in(client, address)
    await make_old(client, who)
    assert (await begin(client, link=True, **who))["__typename"] == "ProofNeededError"
    assert (await begin(client, link=True))["__typename"] == "UnauthenticatedError"


async def test_a_person_is_linked_to_one_account(client: Client) -> None:
    for expected in ("ProviderLinked", "ConflictError"):
        _, address = await register(client)
        who = await signed_in(client, address)
        assert (await sign_in(client, link=True, **who))["__typename"] == expected


async def test_the_second_factor_is_asked_for_here_as_well(client: Client) -> None:
    who, _, _, _ = await with_app(client)
    assert (await sign_in(client, link=True, **who))["__typename"] == "ProviderLinked"
    assert (await sign_in(client))["__typename"] == "SecondFactorRequired"


@pytest.mark.parametrize("person", [{"email_verified": False}, {"email": None}, {"email": "no address"}])
async def test_an_address_that_the_provider_has_not_proved_makes_no_account(
    client: Client, provider: OpenIdProvider, person: dict[str, Any]
) -> None:
    provider.person |= person
    assert (await sign_in(client))["__typename"] == "ForbiddenError"


LIES: list[dict[str, Any]] = [
    {"iss": "https://other.example"},
    {"aud": "somebody else"},
    {"aud": ["botberi", "other"], "azp": "other"},
    {"aud": ["botberi", "other"]},
    {"nonce": "of another sign-in"},
    {"nonce": None},
    {"exp": 1},
    {"iat": 99_999_999_999},
    {"sub": ""},
    {"sub": None},
    {"sub": "x" * 256},
]


@pytest.mark.parametrize("claims", LIES, ids=[str(lie)[:40] for lie in LIES])
async def test_a_token_that_is_not_about_this_sign_in_is_refused(
    client: Client, provider: OpenIdProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert (await sign_in(client))["__typename"] == "UnauthenticatedError"


async def test_a_token_signed_by_another_key_is_refused_and_a_new_key_is_taken_up(
    client: Client, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await sign_in(client))["__typename"] == "LoginSuccess"
    provider.key = provider.new_key()
    assert (await sign_in(client))["__typename"] == "UnauthenticatedError"
    provider.published.append(provider.key)
    monkeypatch.setattr("subgraphs.identity.oidc._MIN_KEPT_SECONDS", 0.0)
    assert (await sign_in(client))["__typename"] == "LoginSuccess"


async def test_only_the_browser_that_began_ends_it_once_and_with_its_own_answer(client: Client) -> None:
    begun, other = await begin(client), await begin(client)
    back = await at_provider(begun["authorizationUrl"])
    # The victim's browser, with the attacker's code: it began another sign-in, or none.
    assert (await finish(client, other["flow"], back))["__typename"] == "UnauthenticatedError"
    assert (await finish(client, "made up", back))["__typename"] == "ValidationError"
    again = await begin(client)
    own = await at_provider(again["authorizationUrl"])
    assert (await finish(client, again["flow"], {**own, "iss": "https://mix.example"}))["__typename"] == (
        "UnauthenticatedError"
    )
    assert (await finish(client, begun["flow"], back))["__typename"] == "LoginSuccess"
    assert (await finish(client, begun["flow"], back))["__typename"] == "ValidationError"


async def test_a_code_is_worth_nothing_without_the_verifier(client: Client) -> None:
    begun, other = await begin(client), await begin(client)
    stolen = await at_provider(begun["authorizationUrl"])
    own = await at_provider(other["authorizationUrl"])
    assert (await finish(client, other["flow"], {**own, "code": stolen["code"]}))["__typename"] == (
        "UnauthenticatedError"
    )


async def test_a_provider_that_is_away_is_no_fault_of_the_person(
    user_database_url: str, provider: OpenIdProvider
) -> None:
    away = [{**provider.settings()[0], "issuer": "http://127.0.0.1:1"}]
    async with identity_client(user_database_url, public_url="https://x.example", oidc_providers=away) as client:
        error = await client.fail(BEGIN, {"input": {"provider": "corp"}})
        assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
