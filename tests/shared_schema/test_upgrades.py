"""Databases with rows, at each revision since 198d714 -> the newest: no row is lost, and older code may still write.

`WRITES` is what the services of a revision do to it, in SQL: the rows that an upgrade finds, and, once more on the new
schema, what the previous version's processes do while they still run (expand, then contract). Where a revision
breaks with them (`CONTRACTS`), the page of migrations says to stop them first.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg
import pytest

from shared_schema import migrate
from shared_schema.ids import new_id
from shared_schema.migrate import DatabaseName
from tests.platform.running import ROOT
from tests.support.postgres import TestPostgres

pytestmark = pytest.mark.postgres

Write = Callable[[psycopg.Connection], None]

#: The revisions of 198d714, and all that came later.
REVISIONS: Final[dict[DatabaseName, tuple[str, ...]]] = {
    "user_psql": ("0003", "0004", "0005", "0006", "0007", "0008"),
    "shared_psql": ("0008", "0009", "0010", "0011"),
}
#: Revisions on which the code of before can't work any more -> the tables for which that is so, and whose rows may go.
#: docs/data/migrations.md names each.
CONTRACTS: Final = {
    ("user_psql", "0004"): {"sign_in_throttles"},
    ("shared_psql", "0009"): {"agents", "templates", "instances", "schedules"},
}


def accounts(connection: psycopg.Connection) -> None:
    """What identity writes for a person: account, sign-in, key, audit entry, a failed try."""
    account, word = new_id(), new_id().hex
    password = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
    connection.execute(
        "INSERT INTO accounts (id, email, display_name, password_hash) VALUES (%s, %s, 'Ada Ü', %s)",
        (account, f"{word}@example.org", password),
    )
    connection.execute("UPDATE accounts SET display_name = 'Ada' WHERE id = %s", (account,))
    connection.execute(
        "INSERT INTO sessions (id, account_id, token_hash, expires_at) VALUES (%s, %s, %s, now() + interval '1 day')",
        (new_id(), account, bytes.fromhex(word * 2)),
    )
    connection.execute(
        "INSERT INTO api_keys (id, account_id, name, prefix, secret_hash) VALUES (%s, %s, 'key', %s, %s)",
        (new_id(), account, word[:12], bytes.fromhex(word * 2)),
    )
    connection.execute("UPDATE api_keys SET revoked_at = now() WHERE account_id = %s", (account,))
    connection.execute("INSERT INTO sign_in_throttles (key_hash) VALUES (%s)", (bytes.fromhex(word * 2),))
    connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('test', %s)", (new_id(),))


def audit(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO audit_log (id, action, outcome) VALUES (%s, 'login', 'SUCCESS')", (new_id(),))


def runs(connection: psycopg.Connection) -> None:
    """What catalog, instance, dispatcher and worker write for a run, from an agent to its file, and for a schedule."""
    owner, agent, template, instance = new_id(), new_id(), new_id(), new_id()
    connection.execute(
        "INSERT INTO agents (id, slug, name, workflow, publisher_id, status, parameters_schema)"
        " VALUES (%s, %s, 'A', 'w', %s, 'PUBLISHED', '{\"type\": \"object\"}')",
        (agent, f"a-{agent.hex}", owner),
    )
    connection.execute(
        "INSERT INTO templates (id, slug, name, agent_id, publisher_id, parameters)"
        " VALUES (%s, %s, 'T', %s, %s, '{\"x\": 1.50}')",
        (template, f"t-{template.hex}", agent, owner),
    )
    connection.execute(
        "INSERT INTO instances (id, owner_id, agent_id, template_id, name, parameters)"
        " VALUES (%s, %s, %s, %s, 'run', '{\"text\": \"\\u00fc\"}')",
        (instance, owner, agent, template),
    )
    connection.execute("UPDATE instances SET status = 'QUEUED' WHERE id = %s", (instance,))
    connection.execute(
        "UPDATE instances SET status = 'RUNNING', attempt = 1, lease_owner = 'w',"
        " lease_expires_at = now() + interval '1 minute' WHERE id = %s",
        (instance,),
    )
    connection.execute(
        "INSERT INTO instance_artifacts (id, instance_id, attempt, name, content_type, size_bytes, sha256, storage_key)"
        " VALUES (%s, %s, 1, 'out.csv', 'text/csv', 1, %s, %s)",
        (new_id(), instance, b"\0" * 32, f"{instance}/1/out.csv"),
    )
    connection.execute(
        "UPDATE instances SET status = 'SUCCEEDED', progress = 1, result = '{\"n\": 1}', lease_owner = NULL,"
        " lease_expires_at = NULL WHERE id = %s",
        (instance,),
    )
    connection.execute(
        "INSERT INTO schedules (id, owner_id, agent_id, name, cron, next_fire_at)"
        " VALUES (%s, %s, %s, 'S', '* * * * *', now())",
        (new_id(), owner, agent),
    )
    connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('test', %s)", (new_id(),))


def devices(connection: psycopg.Connection) -> None:
    [(account,)] = connection.execute("SELECT id FROM accounts LIMIT 1").fetchall()
    connection.execute(
        "INSERT INTO known_devices (id, account_id, token_hash) VALUES (%s, %s, %s)",
        (new_id(), account, bytes.fromhex(new_id().hex * 2)),
    )


def mails(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO mails (id, kind, recipient) VALUES (%s, 'confirm_address', 'a@example.org')", (new_id(),)
    )


def days(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO agent_days SELECT id, current_date, 1, 1, 0 FROM agents ON CONFLICT DO NOTHING")


#: Database, and the first revision that has the tables -> what is written there.
WRITES: Final[dict[DatabaseName, tuple[tuple[str, Write], ...]]] = {
    "user_psql": (("0003", accounts), ("0003", audit), ("0004", devices), ("0005", mails)),
    "shared_psql": (("0008", runs), ("0010", days)),
}
STEPS = [(database, revision) for database, found in REVISIONS.items() for revision in found]


def writes(database: DatabaseName, revision: str) -> Iterator[Write]:
    return (write for first, write in WRITES[database] if first <= revision)


def counts(connection: psycopg.Connection) -> dict[str, int]:
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for (name,) in tables}  # type: ignore[call-overload]


def columns(connection: psycopg.Connection) -> set[tuple[str, str, str]]:
    query = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
    return {(table, column, kind) for table, column, kind in connection.execute(query)}


def test_the_list_of_revisions_ends_at_the_newest() -> None:
    for database, revisions in REVISIONS.items():
        assert (revisions[-1],) == migrate.heads(database), "a new revision belongs into REVISIONS and WRITES"


@pytest.mark.parametrize(("database", "revision"), STEPS)
def test_rows_of_a_revision_survive_the_way_to_the_newest(
    postgres: TestPostgres, database: DatabaseName, revision: str
) -> None:
    url = postgres.url(postgres.create())
    migrate.upgrade(database, url, revision=revision)
    with psycopg.connect(url) as connection:
        for write in writes(database, revision):
            write(connection)
        connection.commit()
        before = counts(connection)
    assert sum(before.values()) > 5
    migrate.upgrade(database, url)
    with psycopg.connect(url) as connection:
        after = counts(connection)
        emptied = {"sign_in_throttles"} if (database, revision) == ("user_psql", "0003") else set()
        assert {name: after.get(name) for name in before.keys() - emptied} == {
            name: count for name, count in before.items() if name not in emptied
        }
        values = _values(connection, database)
    assert values == EXPECTED[database]


@pytest.mark.parametrize(("database", "revision"), [step for step in STEPS if step[1] != REVISIONS[step[0]][-1]])
def test_the_previous_versions_processes_write_and_read_on_the_next_schema(
    postgres: TestPostgres, database: DatabaseName, revision: str
) -> None:
    """Expand and contract: a rolling deployment migrates first, and the old processes end later."""
    following = REVISIONS[database][REVISIONS[database].index(revision) + 1]
    url = postgres.url(postgres.create())
    migrate.upgrade(database, url, revision=revision)
    with psycopg.connect(url) as connection:
        read = columns(connection)
    migrate.upgrade(database, url, revision=following)
    with psycopg.connect(url) as connection:
        gone = {table for table, _, _ in read - columns(connection)}
        assert gone == CONTRACTS.get((database, following), set()), "a column that the previous version reads is gone"
        for write in writes(database, revision):
            if "sign_in_throttles" not in gone or write is not accounts:
                write(connection)


def test_the_page_names_every_revision_that_breaks_with_the_one_before() -> None:
    page = (ROOT / "docs/data/migrations.md").read_text()
    for database, revision in CONTRACTS:
        assert f"`{revision}` of `{database}`" in page


def _values(connection: psycopg.Connection, database: DatabaseName) -> list[Any]:
    if database == "user_psql":
        return connection.execute("SELECT display_name, version FROM accounts").fetchall()
    return connection.execute(
        "SELECT i.status, i.version, i.parameters::jsonb, i.result::jsonb, t.parameters::jsonb,"
        " a.parameters_schema::jsonb"
        " FROM instances AS i JOIN templates AS t ON t.id = i.template_id JOIN agents AS a ON a.id = i.agent_id"
    ).fetchall()


EXPECTED: Final[dict[DatabaseName, list[Any]]] = {
    "user_psql": [("Ada", 2)],
    "shared_psql": [("SUCCEEDED", 4, {"text": "ü"}, {"n": 1}, {"x": 1.5}, {"type": "object"})],
}
