"""W4, W5: a changed password ends sessions and keys made with the old one; a new token ends the old token."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from shared_schema.models import ApiKey, KnownDevice, UserOutbox
from tests.subgraphs.conftest import Client
from tests.support.identity import (
    CHANGE_PASSWORD,
    LOGIN,
    PASSWORD,
    audit_entries,
    identity_client,
    login,
    register,
    signed_in,
    verify,
)

pytestmark = pytest.mark.postgres

CREATE_KEY = 'mutation { createApiKey(input: {name: "ci"}) { ... on CreateApiKeySuccess { secret } } }'


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url) as client:
        yield client


async def change(client: Client, session: dict[str, Any], **options: Any) -> tuple[Any, list[str]]:
    """What `changePassword` answers, and the cookies that it sets."""
    given = {"currentPassword": PASSWORD, "newPassword": "another horse battery", **options}
    answer = await client.post(CHANGE_PASSWORD, {"input": given}, **session)
    return answer.json()["data"]["changePassword"], answer.all("set-cookie")


async def make_key(client: Client, account_id: UUID) -> str:
    return str((await client.ask(CREATE_KEY, account_id=account_id))["createApiKey"]["secret"])


async def test_a_changed_password_ends_api_keys(identity: Client) -> None:
    account_id, email = await register(identity)
    session, secret = await signed_in(identity, email), await make_key(identity, account_id)
    changed, _ = await change(identity, session)
    assert changed["__typename"] == "ChangePasswordSuccess"
    assert await verify(identity, secret) == 404
    entry = (await audit_entries(identity, account_id))[-1]
    assert (entry.action, entry.outcome, entry.detail) == ("account.change_password", "SUCCESS", {"api_keys_ended": 1})
    async with identity.store.read() as reading:
        key = (await reading.scalars(select(ApiKey).where(ApiKey.account_id == account_id))).one()
        events = await reading.scalars(select(UserOutbox.event_type).where(UserOutbox.aggregate_id == key.id))
        assert events.all() == ["api_key.revoked"]


async def test_unless_the_caller_says_otherwise(identity: Client) -> None:
    account_id, email = await register(identity)
    session, secret = await signed_in(identity, email), await make_key(identity, account_id)
    await change(identity, session, keepApiKeys=True)
    assert (await verify(identity, secret))["account_id"] == str(account_id)


async def test_a_changed_password_gives_the_session_a_new_token(identity: Client) -> None:
    _, email = await register(identity)
    old = (await login(identity, email))["token"]
    found = await verify(identity, old)
    session = {"account_id": UUID(found["account_id"]), "session_id": UUID(found["session_id"])}
    changed, cookies = await change(identity, session)
    assert await verify(identity, old) == 404
    assert (await verify(identity, changed["token"]))["session_id"] == found["session_id"]
    assert cookies[0].startswith(f"botberi_session={changed['token']}; Max-Age=")


async def test_a_changed_password_forgets_other_devices(identity: Client) -> None:
    account_id, email = await register(identity)
    await login(identity, email)
    session = await signed_in(identity, email)
    await change(identity, session)
    async with identity.store.read() as reading:
        assert (await reading.scalars(select(KnownDevice).where(KnownDevice.account_id == account_id))).all() == []


async def test_signing_in_again_ends_the_browsers_old_session(identity: Client) -> None:
    account_id, email = await register(identity)
    elsewhere, old = (await login(identity, email))["token"], (await login(identity, email))["token"]
    found = await verify(identity, old)
    session = {"account_id": account_id, "session_id": UUID(found["session_id"])}
    new = (await login(identity, email, **session))["token"]
    assert await verify(identity, old) == 404
    for token in (elsewhere, new):
        assert (await verify(identity, token))["account_id"] == str(account_id)
    entries = await audit_entries(identity, session["session_id"])
    assert [entry.action for entry in entries] == ["session.login", "session.replace"]


async def test_signing_in_to_another_account_ends_it_too(identity: Client) -> None:
    (_, first), (_, second) = await register(identity), await register(identity)
    session = await signed_in(identity, first)
    await login(identity, second, **session)
    async with identity.store.read() as reading:
        ended = await reading.scalars(
            select(UserOutbox.event_type).where(UserOutbox.aggregate_id == session["session_id"])
        )
        assert ended.all() == ["session.revoked"]


async def test_a_wrong_password_leaves_the_session_alone(identity: Client) -> None:
    account_id, email = await register(identity)
    token = (await login(identity, email))["token"]
    session_id = UUID((await verify(identity, token))["session_id"])
    given = {"input": {"email": email, "password": "not this one at all"}}
    await identity.ask(LOGIN, given, account_id=account_id, session_id=session_id)
    assert (await verify(identity, token))["account_id"] == str(account_id)


@pytest.mark.parametrize("keep", [True, False])
async def test_all_sessions_end_at_once_but_the_one_that_calls(identity: Client, keep: bool) -> None:
    _, email = await register(identity)
    tokens = [(await login(identity, email))["token"] for _ in range(3)]
    found = await verify(identity, tokens[0])
    who = {"account_id": UUID(found["account_id"]), "session_id": UUID(found["session_id"])}
    mutation = """mutation ($keep: Boolean!) { revokeSessions(keepCurrent: $keep) {
        ... on RevokeSessionsSuccess { ended } } }"""
    ended = (await identity.ask(mutation, {"keep": keep}, **who))["revokeSessions"]["ended"]
    assert ended == (2 if keep else 3)
    left = [await verify(identity, token) != 404 for token in tokens]
    assert left == [keep, False, False]
