"""Passwords, tokens and keys reach neither the log nor the database nor an error."""

import logging
from typing import Any

import pytest
from sqlalchemy import text

from shared_schema.ids import new_id
from tests.subgraphs.conftest import Client
from tests.subgraphs.test_identity_mutations import CHANGE_PASSWORD, CREATE_KEY, LOGIN, REGISTER, verify


async def everything_stored(client: Client) -> str:
    """Every row of every table, as text."""
    async with client.store.read() as session:
        found = await session.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        )
        names = [row[0] for row in found if row[0] != "alembic_version"]
        dumped = []
        for name in names:
            rows = await session.execute(text(f'SELECT t::text FROM "{name}" t'))
            dumped += [f"{name}: {row[0]}" for row in rows]
    assert any(line.startswith("accounts: ") for line in dumped)
    assert any(line.startswith("audit_log: ") for line in dumped)
    return "\n".join(dumped)


async def test_canaries_are_seen_nowhere(identity: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = f"canary {new_id().hex}"
    email = f"u{new_id().hex}@example.com"
    secrets = [canary]

    async def send(query: str, given: Any, **who: Any) -> Any:
        answer = await identity.post(query, {"input": given}, **who)
        body = answer.json()
        if "errors" in body:
            assert not [each for each in secrets if each in str(body["errors"])]
        return body

    await send(REGISTER, {"email": email, "password": canary, "displayName": "Ada"})
    await send(REGISTER, {"email": email, "password": canary, "displayName": "Ada"})
    await send(REGISTER, {"email": "no-address", "password": canary, "displayName": ""})
    await send(LOGIN, {"email": email, "password": f"{canary} wrong"})
    await send(LOGIN, {"email": email, "password": canary + "\x00"})
    token = (await send(LOGIN, {"email": email, "password": canary}))["data"]["login"]["token"]
    secrets.append(token)
    found = await verify(identity, token)
    who = {"account_id": found["account_id"], "session_id": found["session_id"]}
    made = (await send(CREATE_KEY, {"name": "k"}, **who))["data"]["createApiKey"]
    secrets.append(made["secret"])
    assert (await verify(identity, made["secret"]))["account_id"] == found["account_id"]
    assert await verify(identity, made["secret"], "cookie") == 404
    await send(CHANGE_PASSWORD, {"currentPassword": canary, "newPassword": canary + " new"}, **who)

    stored = await everything_stored(identity)
    for each in secrets:
        assert each not in caplog.text
        assert each not in stored
        # Nor in the form in which Postgres prints bytes.
        assert each.encode().hex() not in stored
