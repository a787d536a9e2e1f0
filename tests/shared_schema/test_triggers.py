"""What the database itself guarantees for every writer: versions, transitions, events, hashes."""

import itertools
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors

from shared_schema.contracts.events import Event
from shared_schema.ids import new_id
from shared_schema.outbox import to_event
from shared_schema.states import TERMINAL, TRANSITIONS, InstanceStatus

pytestmark = pytest.mark.postgres

Row = dict[str, Any]


@pytest.fixture
def shared(shared_database_url: str) -> Iterator[psycopg.Connection[Row]]:
    """A connection to `shared_psql`; what a test leaves is rolled back."""
    with psycopg.connect(shared_database_url, row_factory=psycopg.rows.dict_row) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def user(user_database_url: str) -> Iterator[psycopg.Connection[Row]]:
    """A connection to `user_psql`; what a test leaves is rolled back."""
    with psycopg.connect(user_database_url, row_factory=psycopg.rows.dict_row) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def agent(shared: psycopg.Connection[Row]) -> UUID:
    """An agent."""
    row_id = new_id()
    shared.execute(
        "INSERT INTO agents (id, slug, name, workflow, publisher_id) VALUES (%s, %s, 'Agent', 'w', %s)",
        (row_id, f"agent-{row_id.hex}", new_id()),
    )
    return row_id


def add_instance(connection: psycopg.Connection[Row], agent: UUID, status: str = "PENDING") -> UUID:
    row_id = new_id()
    connection.execute(
        "INSERT INTO instances (id, owner_id, agent_id, name, status) VALUES (%s, %s, %s, 'Run', %s)",
        (row_id, new_id(), agent, status),
    )
    return row_id


def get(connection: psycopg.Connection[Row], table: str, row_id: UUID) -> Row:
    row = connection.execute(f"SELECT * FROM {table} WHERE id = %s", (row_id,)).fetchone()
    assert row is not None
    return row


def events(connection: psycopg.Connection[Row], row_id: UUID) -> list[Event]:
    rows = connection.execute("SELECT * FROM outbox WHERE aggregate_id = %s ORDER BY seq", (row_id,))
    return [
        to_event(
            row_id=row["id"],
            database="test",
            event_type=row["event_type"],
            data_version=row["data_version"],
            aggregate_id=row["aggregate_id"],
            created_at=row["created_at"],
            data=row["data"],
            actor=row["actor"],
            traceparent=row["traceparent"],
        )
        for row in rows
    ]


def types(connection: psycopg.Connection[Row], row_id: UUID) -> list[tuple[str, int]]:
    return [(event.type, event.data.version) for event in events(connection, row_id)]


PAIRS = [pair for pair in itertools.product(InstanceStatus, InstanceStatus) if pair[0] != pair[1]]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_exactly_the_known_transitions_are_allowed(
    shared: psycopg.Connection[Row], agent: UUID, before: InstanceStatus, after: InstanceStatus
) -> None:
    row_id = add_instance(shared, agent, before)
    update = "UPDATE instances SET status = %s WHERE id = %s"
    if after in TRANSITIONS[before]:
        shared.execute(update, (after, row_id))
        row = get(shared, "instances", row_id)
        assert (row["status"], row["version"]) == (after, 2)
        stamp = {"QUEUED": "queued_at", "RUNNING": "started_at"}.get(after, "finished_at")
        assert row[stamp] is not None
        assert events(shared, row_id)[-1].data.terminal == after.is_terminal
    else:
        with pytest.raises(errors.CheckViolation) as caught:
            shared.execute(update, (after, row_id))
        expected = "instances_terminal" if before in TERMINAL else "instances_transition"
        assert caught.value.diag.constraint_name == expected


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize(
    "change",
    ["result = '{}'", "progress = 0.5", "error_code = 'X'", "attempt = 9", "finished_at = now() + interval '1 hour'"],
)
def test_an_outcome_does_not_change(shared: psycopg.Connection[Row], agent: UUID, status: str, change: str) -> None:
    row_id = add_instance(shared, agent, status)
    with pytest.raises(errors.CheckViolation, match="its outcome does not change"):
        shared.execute(f"UPDATE instances SET {change} WHERE id = %s", (row_id,))


def test_a_terminal_instance_may_be_deleted_and_renamed(shared: psycopg.Connection[Row], agent: UUID) -> None:
    row_id = add_instance(shared, agent, "SUCCEEDED")
    shared.execute("UPDATE instances SET name = 'Better' WHERE id = %s", (row_id,))
    shared.execute("UPDATE instances SET deleted_at = now() WHERE id = %s", (row_id,))
    assert types(shared, row_id) == [("instance.created", 1), ("instance.updated", 2), ("instance.deleted", 3)]
    shared.execute("DELETE FROM instances WHERE id = %s", (row_id,))
    assert len(types(shared, row_id)) == 3


def test_deleting_a_row_for_good_is_an_event_too(shared: psycopg.Connection[Row], agent: UUID) -> None:
    row_id = add_instance(shared, agent)
    shared.execute("DELETE FROM instances WHERE id = %s", (row_id,))
    assert types(shared, row_id) == [("instance.created", 1), ("instance.deleted", 2)]


def test_the_attempt_only_grows(shared: psycopg.Connection[Row], agent: UUID) -> None:
    row_id = add_instance(shared, agent)
    shared.execute("UPDATE instances SET attempt = 2 WHERE id = %s", (row_id,))
    with pytest.raises(errors.CheckViolation) as caught:
        shared.execute("UPDATE instances SET attempt = 1 WHERE id = %s", (row_id,))
    assert caught.value.diag.constraint_name == "instances_attempt"


def test_what_code_writes_into_version_and_times_is_ignored(shared: psycopg.Connection[Row], agent: UUID) -> None:
    row_id = add_instance(shared, agent)
    before = get(shared, "instances", row_id)
    shared.execute(
        "UPDATE instances SET version = 99, created_at = '2000-01-01', updated_at = '2000-01-01', progress = 0.5"
        " WHERE id = %s",
        (row_id,),
    )
    row = get(shared, "instances", row_id)
    assert (row["version"], row["created_at"]) == (2, before["created_at"])
    assert row["updated_at"] > before["updated_at"]


@pytest.mark.parametrize(
    "change",
    [
        "lease_owner = 'w1', lease_expires_at = now() + interval '20 s'",
        "celery_task_id = 't'",
        "progress = progress",
        "version = 7",
    ],
)
def test_a_renewed_lease_is_no_news(shared: psycopg.Connection[Row], agent: UUID, change: str) -> None:
    row_id = add_instance(shared, agent)
    shared.execute(f"UPDATE instances SET {change} WHERE id = %s", (row_id,))
    assert get(shared, "instances", row_id)["version"] == 1
    assert types(shared, row_id) == [("instance.created", 1)]


def test_an_instance_event_says_who_and_what(shared: psycopg.Connection[Row], agent: UUID) -> None:
    row_id = add_instance(shared, agent)
    shared.execute("UPDATE instances SET status = 'CANCELLED' WHERE id = %s", (row_id,))
    row = get(shared, "instances", row_id)
    event = events(shared, row_id)[-1]
    assert json.loads(event.to_json())["data"] == {
        "id": str(row_id),
        "version": 2,
        "owner_id": str(row["owner_id"]),
        "workspace_id": str(row["owner_id"]),
        "status": "CANCELLED",
        "agent_id": str(agent),
        "terminal": True,
    }


@pytest.mark.parametrize("table", ["agents", "templates"])
def test_the_catalog_has_versions_and_events(shared: psycopg.Connection[Row], agent: UUID, table: str) -> None:
    kind = table.removesuffix("s")
    if table == "agents":
        row_id = agent
    else:
        row_id = new_id()
        shared.execute(
            "INSERT INTO templates (id, slug, name, agent_id, publisher_id) VALUES (%s, 't', 'T', %s, %s)",
            (row_id, agent, new_id()),
        )
    shared.execute(f"UPDATE {table} SET name = name, description = description WHERE id = %s", (row_id,))
    assert get(shared, table, row_id)["version"] == 1
    shared.execute(f"UPDATE {table} SET description = 'about forecasting' WHERE id = %s", (row_id,))
    found = shared.execute(
        f"SELECT version FROM {table} WHERE search @@ websearch_to_tsquery('english', 'forecasts')"
    ).fetchall()
    assert found == [{"version": 2}]
    shared.execute(f"DELETE FROM {table} WHERE id = %s", (row_id,))
    assert types(shared, row_id) == [(f"{kind}.created", 1), (f"{kind}.updated", 2), (f"{kind}.deleted", 3)]
    assert {event.data.agent_id for event in events(shared, row_id)} == {agent}


WRONG_ROWS = {
    "slug with capitals": ("agents", {"slug": "Agent"}),
    "slug with two hyphens": ("agents", {"slug": "a--b"}),
    "blank name": ("agents", {"name": "  "}),
    "unknown status": ("agents", {"status": "LIVE"}),
    "schema that is no object": ("agents", {"parameters_schema": "[1]"}),
    "null among tags": ("agents", {"tags": ["a", None]}),
    "progress beyond one": ("instances", {"progress": 1.01}),
    "negative progress": ("instances", {"progress": -0.01}),
    "progress that is no number": ("instances", {"progress": float("nan")}),
    "unknown instance status": ("instances", {"status": "DONE"}),
    "lease without an end": ("instances", {"lease_owner": "w"}),
    "message without a code": ("instances", {"error_message": "why"}),
    "parameters that are no object": ("instances", {"parameters": '"x"'}),
}


@pytest.mark.parametrize(("table", "changes"), WRONG_ROWS.values(), ids=WRONG_ROWS.keys())
def test_wrong_rows_are_refused(
    shared: psycopg.Connection[Row], agent: UUID, table: str, changes: dict[str, Any]
) -> None:
    row_id = agent if table == "agents" else add_instance(shared, agent)
    assignments = ", ".join(f"{name} = %s" for name in changes)
    with pytest.raises(errors.CheckViolation):
        shared.execute(f"UPDATE {table} SET {assignments} WHERE id = %s", (*changes.values(), row_id))


def test_an_idempotency_key_is_used_once_per_owner(shared: psycopg.Connection[Row], agent: UUID) -> None:
    statement = "INSERT INTO instances (id, owner_id, agent_id, name, idempotency_key) VALUES (%s, %s, %s, 'R', %s)"
    owner = new_id()
    shared.execute(statement, (new_id(), owner, agent, "k"))
    shared.execute(statement, (new_id(), new_id(), agent, "k"))
    shared.execute(statement, (new_id(), owner, agent, None))
    shared.execute(statement, (new_id(), owner, agent, None))
    with pytest.raises(errors.UniqueViolation):
        shared.execute(statement, (new_id(), owner, agent, "k"))


def test_notify_rings_once_a_transaction_and_says_nothing(shared_database_url: str) -> None:
    with (
        psycopg.connect(shared_database_url, autocommit=True) as listener,
        psycopg.connect(shared_database_url) as writer,
    ):
        listener.execute("LISTEN outbox")
        for _ in range(3):
            writer.execute(
                "INSERT INTO agents (id, slug, name, workflow, publisher_id) VALUES (%s, %s, 'A', 'w', %s)",
                (new_id(), f"a{new_id().hex}", new_id()),
            )
        writer.commit()
        rung = list(listener.notifies(timeout=1.0))
    assert [notification.payload for notification in rung] == [""]


ACCOUNT = "INSERT INTO accounts (id, email, display_name, password_hash) VALUES (%s, %s, %s, %s)"
HASH = "$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"


@pytest.fixture
def account(user: psycopg.Connection[Row]) -> UUID:
    """An account."""
    row_id = new_id()
    user.execute(ACCOUNT, (row_id, "Ada@Example.org", "Ada", HASH))
    return row_id


def test_accounts_have_versions_and_events(user: psycopg.Connection[Row], account: UUID) -> None:
    user.execute("UPDATE accounts SET display_name = display_name WHERE id = %s", (account,))
    user.execute("UPDATE accounts SET disabled_at = now() WHERE id = %s", (account,))
    user.execute("UPDATE accounts SET deleted_at = now() WHERE id = %s", (account,))
    user.execute("DELETE FROM accounts WHERE id = %s", (account,))
    found = [(event.type, event.data.version, event.data.status) for event in events(user, account)]
    assert found == [
        ("account.created", 1, "ACTIVE"),
        ("account.updated", 2, "DISABLED"),
        ("account.deleted", 3, "DELETED"),
    ]


def test_an_address_is_one_accounts_however_it_is_capitalised(user: psycopg.Connection[Row], account: UUID) -> None:
    with pytest.raises(errors.UniqueViolation) as caught, user.transaction():
        user.execute(ACCOUNT, (new_id(), "ada@EXAMPLE.org", "Impostor", HASH))
    assert caught.value.diag.constraint_name == "uq_accounts_email"
    user.execute("UPDATE accounts SET deleted_at = now() WHERE id = %s", (account,))
    user.execute(ACCOUNT, (new_id(), "ada@EXAMPLE.org", "Another Ada", HASH))


@pytest.mark.parametrize(
    ("email", "name", "password"),
    [("no-address", "A", HASH), (" a@b.c", "A", HASH), ("a@b.c", " ", HASH), ("a@b.c", "A", "hunter2")],
)
def test_wrong_accounts_are_refused(user: psycopg.Connection[Row], email: str, name: str, password: str) -> None:
    with pytest.raises(errors.CheckViolation):
        user.execute(ACCOUNT, (new_id(), email, name, password))


def add_session(user: psycopg.Connection[Row], account: UUID, *, lifetime: str = "1 hour") -> UUID:
    row_id = new_id()
    user.execute(
        "INSERT INTO sessions (id, account_id, token_hash, created_at, expires_at)"
        " VALUES (%s, %s, sha256(%s), now() - interval '2 hours', now() + %s::interval)",
        (row_id, account, row_id.bytes, lifetime),
    )
    return row_id


def test_a_revoked_session_is_announced_once(user: psycopg.Connection[Row], account: UUID) -> None:
    row_id = add_session(user, account)
    user.execute("UPDATE sessions SET last_seen_at = now() WHERE id = %s", (row_id,))
    assert types(user, row_id) == []
    user.execute("UPDATE sessions SET revoked_at = now() WHERE id = %s", (row_id,))
    user.execute("UPDATE sessions SET revoked_at = now() WHERE id = %s", (row_id,))
    user.execute("DELETE FROM sessions WHERE id = %s", (row_id,))
    assert types(user, row_id) == [("session.revoked", 1)]
    assert events(user, row_id)[0].data.owner_id == account


def test_expired_sessions_go_silently_and_living_ones_do_not(user: psycopg.Connection[Row], account: UUID) -> None:
    expired = add_session(user, account, lifetime="-1 hour")
    living = add_session(user, account)
    user.execute("DELETE FROM accounts WHERE id = %s", (account,))
    assert types(user, expired) == []
    assert types(user, living) == [("session.revoked", 1)]


def test_a_revoked_key_is_announced(user: psycopg.Connection[Row], account: UUID) -> None:
    row_id = new_id()
    user.execute(
        "INSERT INTO api_keys (id, account_id, name, prefix, secret_hash) VALUES (%s, %s, 'ci', 'bb_x', sha256('s'))",
        (row_id, account),
    )
    user.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", (row_id,))
    assert types(user, row_id) == [("api_key.revoked", 1)]


def test_a_plain_token_does_not_fit(user: psycopg.Connection[Row], account: UUID) -> None:
    with pytest.raises(errors.CheckViolation):
        user.execute(
            "INSERT INTO sessions (id, account_id, token_hash, expires_at) VALUES (%s, %s, %s, now() + interval '1 h')",
            (new_id(), account, b"a token of some other length than a hash"),
        )


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
def test_the_audit_log_only_grows(user: psycopg.Connection[Row], statement: str) -> None:
    user.execute("INSERT INTO audit_log (id, action, outcome) VALUES (%s, 'login', 'SUCCESS')", (new_id(),))
    with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
        user.execute(statement)
