"""W11, W12: sessions and the audit log have address and device; the log can only grow, and not without end."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import select

from shared_schema.models import Account, AccountSession, AuditEntry
from tests.subgraphs.conftest import Client
from tests.support.identity import (
    WRONG,
    audit_entries,
    identity_client,
    login,
    logins,
    new_address,
    register,
    signed_in,
)

pytestmark = pytest.mark.postgres

WHERE = {"addr": "203.0.113.7", "agent": "Firefox on a phone"}
LOGOUT = "mutation { logout { __typename } }"
REVOKE = 'mutation { createApiKey(input: {name: "k"}) { ... on CreateApiKeySuccess { apiKey { id } } } }'


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url, sign_in_attempts=3, registrations_per_hour=3) as client:
        yield client


def where(entry: AuditEntry | AccountSession) -> tuple[str, str | None]:
    return str(entry.ip_address), entry.user_agent


async def test_a_session_says_where_it_began(identity: Client) -> None:
    account_id, email = await register(identity, **WHERE)
    await login(identity, email, **WHERE)
    await login(identity, email, addr="2001:db8::7")
    async with identity.store.read() as session:
        rows = await session.scalars(select(AccountSession).where(AccountSession.account_id == account_id))
        found = [where(row) for row in rows]
    assert sorted(found) == [("2001:db8::7", None), ("203.0.113.7", "Firefox on a phone")]
    query = "{ me { sessions { nodes { userAgent ipAddress } } } }"
    shown = (await identity.ask(query, account_id=account_id))["me"]["sessions"]["nodes"]
    assert {node["ipAddress"] for node in shown} == {"2001:db8::7", "203.0.113.7"}


async def test_every_entry_says_where_from(identity: Client) -> None:
    account_id, email = await register(identity, **WHERE)
    await login(identity, email, WRONG, **WHERE)
    session = await signed_in(identity, email, **WHERE)
    await identity.ask(REVOKE, **session, **WHERE)
    await identity.ask(LOGOUT, **session, **WHERE)
    async with identity.store.read() as reading:
        entries = (await reading.scalars(select(AuditEntry).where(AuditEntry.actor_id == account_id))).all()
    entries = [*entries, *await audit_entries(identity, account_id)]
    assert {entry.action for entry in entries} == {
        "account.register",
        "session.login",
        "session.logout",
        "api_key.create",
    }
    assert {where(entry) for entry in entries} == {("203.0.113.7", "Firefox on a phone")}


async def test_a_failed_sign_in_says_whose_account_it_tried_where_there_is_one(identity: Client) -> None:
    account_id, email = await register(identity)
    await login(identity, email, WRONG, addr="198.51.100.1")
    await login(identity, new_address(), WRONG, addr="198.51.100.2")
    known = (await audit_entries(identity, account_id))[-1]
    assert (known.outcome, str(known.ip_address), known.actor_id) == ("FAILURE", "198.51.100.1", None)
    async with identity.store.read() as session:
        unknown = (await session.scalars(select(AuditEntry).where(AuditEntry.ip_address == "198.51.100.2"))).one()
    assert (unknown.outcome, unknown.object_id) == ("FAILURE", None)


async def test_throttled_tries_are_one_entry_a_minute(identity: Client) -> None:
    account_id, email = await register(identity, **WHERE)
    await logins(identity, email, WRONG, 12, **WHERE)
    outcomes = [entry.outcome for entry in await audit_entries(identity, account_id)]
    assert outcomes == ["SUCCESS", "FAILURE", "FAILURE", "FAILURE", "DENIED"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET outcome = 'SUCCESS'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "SET session_replication_role = replica; DELETE FROM audit_log",
        "SET session_replication_role = replica; TRUNCATE audit_log",
    ],
)
async def test_the_log_only_grows(identity: Client, user_database_url: str, statement: str) -> None:
    await register(identity, addr=f"192.0.2.{len(statement)}")
    with psycopg.connect(user_database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


async def test_an_account_that_is_gone_leaves_its_entries(identity: Client) -> None:
    account_id, _ = await register(identity, addr="192.0.2.200")
    async with identity.store.unit_of_work() as session:
        await session.delete(await session.get_one(Account, account_id))
    assert [entry.action for entry in await audit_entries(identity, account_id)] == ["account.register"]
