"""The audit trail: refusals stand in it, folded; no row is changed unseen; all subgraphs write one table."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import func, select

from event_broker.audit_trail import AuditTrail
from event_broker.memory import MemoryBus
from event_broker.service import EventBroker
from event_broker.settings import EventBrokerSettings
from shared_schema.audit import COLUMNS, Chain, ChainBroken, Head
from shared_schema.database import Database
from shared_schema.ids import new_id, to_global_id
from shared_schema.models import AuditEntry, UserInbox
from tests.platform.running import ROOT, clean_environment
from tests.subgraphs.conftest import Client
from tests.support.identity import WRONG, identity_client, login, register, signed_in

pytestmark = pytest.mark.postgres

CREATE_AGENT = """mutation ($input: CreateAgentInput!) { createAgent(input: $input) { __typename } }"""
AGENT = {"slug": "audited", "name": "A", "workflow": "w", "parametersSchema": {"type": "object"}}
TRAIL = """query ($filter: AuditFilter) { auditTrail(first: 100, filter: $filter) { totalCount nodes {
  sequence action outcome source detail hash actorId } } }"""


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url) as client:
        yield client


async def entries(client: Client, action: str, actor_id: UUID | None = None) -> list[AuditEntry]:
    found = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.seq)
    async with client.store.read() as session:
        return list(await session.scalars(found if actor_id is None else found.where(AuditEntry.actor_id == actor_id)))


async def until_entries(client: Client, action: str, count: int, actor_id: UUID | None = None) -> list[AuditEntry]:
    async with asyncio.timeout(10):
        while len(found := await entries(client, action, actor_id)) < count:  # noqa: ASYNC110 - rows of a database
            await asyncio.sleep(0.02)
    return found


def rows(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(f"SELECT {COLUMNS} FROM audit_log ORDER BY audit_log.seq").fetchall()  # type: ignore[call-overload, no-any-return]


def checked(url: str, *expected: Head) -> Head:
    chain = Chain(expected)
    for row in rows(url):
        chain.check(row)
    chain.end()
    return chain.head


def tamper(url: str, *statements: str) -> None:
    """Change the log as its owner can, who may take the triggers away."""
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]
        connection.execute("ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only")
        connection.execute("ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_truncate")
        connection.execute("ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_chain")


def botberi(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = {"BOTBERI_USER_DATABASE_URL": url, "BOTBERI_SHARED_DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "-m", "botberi.cli", "audit", *arguments],
        cwd=ROOT,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_python_and_postgres_compute_the_same_hashes(identity: Client, user_database_url: str) -> None:
    await register(identity, addr="2001:db8::1", agent='Ünïcode "quoted" \\ \u2028 <tab>\t 😀')
    await register(identity)
    assert checked(user_database_url).seq == len(rows(user_database_url)) >= 2


async def test_many_at_once_make_one_chain_without_gaps(identity: Client, user_database_url: str) -> None:
    _, email = await register(identity)
    before = checked(user_database_url)
    results = await asyncio.gather(*[login(identity, email, WRONG if n % 2 else "") for n in range(8)])
    assert len(results) == 8
    assert checked(user_database_url, before).seq >= before.seq + 8


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit_log SET outcome = 'SUCCESS' WHERE seq = 2", "Row 2 was changed"),
        ("UPDATE audit_log SET occurred_at = occurred_at - interval '1 day' WHERE seq = 2", "Row 2 was changed"),
        ("UPDATE audit_log SET detail = '{\"a\": 1}' WHERE seq = 2", "Row 2 was changed"),
        ("DELETE FROM audit_log WHERE seq = 2", "Row 2 is missing"),
        ("DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)", "its end is gone"),
        (
            "UPDATE audit_log AS a SET outcome = 'SUCCESS', hash = (SELECT audit_log_digest(b) FROM audit_log AS b "
            "WHERE b.id = a.id) WHERE seq = 2",
            "Row 2 was changed",
        ),
        ("DELETE FROM audit_log WHERE seq > 1; UPDATE audit_log SET outcome = 'DENIED' WHERE seq = 1", "Row 1"),
    ],
)
async def test_no_row_is_changed_or_taken_away_unseen(postgres: Any, statement: str, said: str) -> None:
    url = postgres.url(postgres.migrated("user_psql"))
    async with identity_client(url) as client:
        _, email = await register(client)
        for _ in range(3):
            await login(client, email, WRONG)
    head = checked(url)
    tamper(url, statement)
    with pytest.raises(ChainBroken, match=said):
        checked(url, head)


async def test_a_chain_that_was_computed_again_is_seen_by_an_earlier_head(postgres: Any) -> None:
    url = postgres.url(postgres.migrated("user_psql"))
    async with identity_client(url) as client:
        await register(client)
    head = checked(url)
    # The owner of the database may write the whole log once more, its hashes right.
    tamper(
        url,
        "CREATE TABLE copy AS SELECT * FROM audit_log",
        "DELETE FROM audit_log",
        "ALTER TABLE audit_log ENABLE TRIGGER audit_log_chain",
        "INSERT INTO audit_log (id, action, outcome) SELECT id, 'account.forged', outcome FROM copy",
    )
    assert checked(url).seq == head.seq
    with pytest.raises(ChainBroken, match="another one than at the earlier check"):
        checked(url, head)


async def test_the_command_checks_the_log_and_its_export(postgres: Any, tmp_path: Path) -> None:
    url = postgres.url(postgres.migrated("user_psql"))
    async with identity_client(url) as client:
        await register(client)
        await register(client)
    done = botberi("verify", url=url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 rows, every hash is right.")
    head = done.stdout.rpartition(" ")[2].strip()
    exported = botberi("export", url=url)
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [line["action"] for line in lines] == ["account.register"] * 2
    file = tmp_path / "log.jsonl"
    file.write_text(exported.stdout)
    assert botberi("verify", f"--file={file}", f"--expect={head}", url=url).returncode == 0
    file.write_text(exported.stdout.replace("account.register", "account.forgotten"))
    forged = botberi("verify", f"--file={file}", url=url)
    assert forged.returncode == 1
    assert "Row 1 was changed" in forged.stderr
    tamper(url, "DELETE FROM audit_log WHERE seq = 1")
    assert botberi("verify", url=url).returncode == 1


async def test_refusals_of_one_caller_fold_into_an_entry_a_minute(identity: Client) -> None:
    account_id, _ = await register(identity)
    query = "{ auditTrail { totalCount } }"
    for _ in range(5):
        assert (await identity.fail(query, account_id=account_id))["extensions"]["code"] == "FORBIDDEN"
    found = await until_entries(identity, "access.denied", 1, account_id)
    assert [entry.detail["times"] for entry in found] == [1]
    assert found[0].detail["field"] == "auditTrail"
    # The other four are written when the minute is over, or the service ends.
    identity.app.state.subgraph.denials._clock = lambda: 1e12
    identity.app.state.subgraph.denials._wake_up.set()
    found = await until_entries(identity, "access.denied", 2, account_id)
    assert [entry.detail["times"] for entry in found] == [1, 4]


async def test_refusals_are_written_when_the_service_ends(user_database_url: str) -> None:
    async with identity_client(user_database_url) as client:
        account_id, _ = await register(client)
        for _ in range(3):
            await client.post("{ auditTrail { totalCount } }", account_id=account_id)
    async with identity_client(user_database_url) as client:
        found = await entries(client, "access.denied", account_id)
    assert sum(entry.detail["times"] for entry in found) == 3


async def test_an_account_reads_its_own_entries_and_admins_all(identity: Client) -> None:
    account_id, email = await register(identity)
    await login(identity, email, WRONG)
    who = await signed_in(identity, email)
    query = "{ me { auditTrail { totalCount nodes { action outcome actorId ipAddress } } } }"
    own = (await identity.ask(query, **who))["me"]["auditTrail"]
    assert [node["action"] for node in own["nodes"]] == ["session.login", "session.login", "account.register"]
    assert [node["outcome"] for node in own["nodes"]] == ["SUCCESS", "FAILURE", "SUCCESS"]
    assert (await identity.fail(TRAIL, account_id=account_id))["extensions"]["code"] == "FORBIDDEN"
    assert (await identity.fail(TRAIL))["extensions"]["code"] == "UNAUTHENTICATED"
    filter = {"actorId": to_global_id("Account", account_id), "action": "session."}
    seen = (await identity.ask(TRAIL, {"filter": filter}, account_id=new_id(), role="admin"))["auditTrail"]
    assert [node["action"] for node in seen["nodes"]] == ["session.login"]
    assert seen["totalCount"] == 1
    wrong = await identity.fail(TRAIL, {"filter": {"outcome": "MAYBE"}}, account_id=new_id(), role="admin")
    assert wrong["extensions"]["code"] == "BAD_USER_INPUT"


async def test_entries_of_the_other_subgraphs_arrive_once(
    catalog: Client, instance: Client, identity: Client, user_database_url: str, shared_database_url: str
) -> None:
    admin, other = new_id(), new_id()
    who = {"account_id": admin, "role": "admin", "addr": "203.0.113.9", "agent": "curl"}
    made = await catalog.ask(CREATE_AGENT, {"input": AGENT}, **who)
    assert made["createAgent"]["__typename"] == "CreateAgentSuccess"
    await catalog.ask(CREATE_AGENT, {"input": AGENT}, account_id=other)
    await instance.post("{ instances { totalCount } }", account_id=other, scopes=[])
    bus = MemoryBus()
    databases = {"user_psql": user_database_url, "shared_psql": shared_database_url}
    broker, database = EventBroker(databases, bus, EventBrokerSettings()), Database(user_database_url)
    trail, stop = AuditTrail(bus, database), asyncio.Event()
    await bus.start()
    tasks = [asyncio.create_task(broker.run(stop)), asyncio.create_task(trail.run(stop))]
    try:
        [entry] = await until_entries(identity, "agent.create", 1)
        denied = await until_entries(identity, "access.denied", 2, other)
        async with bus.follow(["audit.recorded"]) as events:
            with psycopg.connect(shared_database_url) as connection:
                connection.execute("UPDATE outbox SET published_at = NULL WHERE event_type = 'audit.recorded'")
            async with asyncio.timeout(10):
                again = [await anext(events) for _ in range(3)]
        await trail.handle(again[0])
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await bus.aclose()
        await database.aclose()
    assert (entry.source, entry.outcome, entry.actor_id, str(entry.ip_address)) == (
        *("catalog", "SUCCESS", admin),
        "203.0.113.9",
    )
    assert (entry.user_agent, entry.object_type, entry.detail["slug"]) == ("curl", "Agent", "audited")
    assert {(e.source, e.detail["field"], e.detail["code"]) for e in denied} == {
        ("catalog", "createAgent", "FORBIDDEN"),
        ("instance", "instances", "FORBIDDEN"),
    }
    async with identity.store.read() as session:
        handled = await session.scalar(
            select(func.count()).select_from(UserInbox).where(UserInbox.consumer == "audit-trail")
        )
    assert handled == 3
    assert len(await entries(identity, "agent.create")) == 1
    checked(user_database_url)
