"""`botberi backup` and `botberi restore`: rows and files come back as they were, and triggers work again."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from botberi.backup import work
from botberi.run.errors import StartError
from botberi.settings import BackupSettings
from shared_schema.artifacts import make_storage
from shared_schema.ids import new_id
from tests.platform.running import ROOT, clean_environment
from tests.support.postgres import TestPostgres

pytestmark = pytest.mark.postgres
SECRET = "0123456789abcdef0123456789abcdef"


class Place:
    """Two databases and a folder of files."""

    def __init__(self, postgres: TestPostgres, folder: Path, *, migrated: bool) -> None:
        make = postgres.migrated if migrated else lambda _: postgres.create()
        self.user, self.shared = postgres.url(make("user_psql")), postgres.url(make("shared_psql"))
        self.settings = BackupSettings(
            user_database_url=self.user,
            shared_database_url=self.shared,
            artifacts_url=f"file://{folder}/files",
            artifacts_secret=SECRET,
            state_dir=folder,
        )

    def rows(self, url: str, statement: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]
            return list(cursor.fetchall()) if cursor.description else []

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table; without the numbers of transactions, which are a server's own."""
        found = {}
        for url in (self.user, self.shared):
            tables = self.rows(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            for table in tables:
                name = table["tablename"]
                rows = self.rows(url, f"SELECT to_jsonb(t) - 'xid' - 'changed_in' AS row FROM {name} AS t")
                found[f"{url[-6:]}:{name}" if url == self.user else name] = sorted(rows, key=str)
        return {name.split(":")[-1] + ("@user" if ":" in name else ""): rows for name, rows in found.items()}


@pytest.fixture
def full(postgres: TestPostgres, tmp_path: Path) -> Place:
    """Accounts, agents, and an instance that was made, run in part, and has a file; texts that COPY has to escape."""
    place = Place(postgres, tmp_path / "source", migrated=True)
    account, agent, instance = new_id(), new_id(), new_id()
    place.rows(
        place.user,
        "INSERT INTO accounts (id, email, display_name, password_hash)"
        " VALUES (%s, 'a@example.org', %s, '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g')",
        account,
        "Tab\there \\N ü",
    )
    place.rows(
        place.shared,
        "INSERT INTO agents (id, slug, name, workflow, publisher_id, status)"
        " VALUES (%s, 'a', 'A', 'w', %s, 'PUBLISHED')",
        agent,
        account,
    )
    place.rows(
        place.shared,
        "INSERT INTO instances (id, owner_id, agent_id, name, parameters) VALUES (%s, %s, %s, 'run', %s)",
        *(instance, account, agent, '{"text": "line\\n\\t\\\\ \\u00fc"}'),
    )
    place.rows(place.shared, "UPDATE instances SET status = 'QUEUED' WHERE id = %s", instance)
    place.rows(
        place.shared,
        "UPDATE instances SET status = 'RUNNING', attempt = 1, lease_owner = 'w',"
        " lease_expires_at = now() + interval '1 minute' WHERE id = %s",
        instance,
    )
    key = f"{instance}/1/out.csv"
    (tmp_path / "out.csv").write_text("a,b\n1,2\n")
    make_storage(place.settings).put(key, tmp_path / "out.csv", "text/csv", "out.csv")
    artifact = place.rows(
        place.shared,
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'instance_artifacts' ORDER BY 1",
    )
    assert {"storage_key", "content_type", "name"} <= {row["column_name"] for row in artifact}
    place.rows(
        place.shared,
        "INSERT INTO instance_artifacts (id, instance_id, attempt, name, content_type, size_bytes, sha256, storage_key)"
        " VALUES (%s, %s, 1, 'out.csv', 'text/csv', 8, %s, %s)",
        *(new_id(), instance, b"\0" * 32, key),
    )
    place.rows(
        place.shared,
        "UPDATE instances SET status = 'SUCCEEDED', progress = 1, result = '{}', lease_owner = NULL,"
        " lease_expires_at = NULL WHERE id = %s",
        instance,
    )
    place.rows(place.shared, "UPDATE instance_artifacts SET promoted_at = now()")
    return place


@pytest.mark.parametrize("encrypted", [False, True])
def test_everything_comes_back(full: Place, postgres: TestPostgres, tmp_path: Path, encrypted: bool) -> None:
    recipient, identity = None, None
    if encrypted:
        identity = tmp_path / "key"
        said = subprocess.run(
            [sys.executable, "-m", "botberi.cli", "backup-key", str(identity)],
            cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        recipient = said.stdout.strip()
        assert identity.stat().st_mode & 0o077 == 0
    archive = tmp_path / "backup"
    work.backup(full.settings, archive, recipient)
    assert archive.stat().st_mode & 0o077 == 0
    if encrypted:
        assert b"example.org" not in archive.read_bytes()
        assert archive.read_bytes().startswith(b"age-encryption.org/")
    empty = Place(postgres, tmp_path / "target", migrated=False)
    work.restore(empty.settings, archive, identity)
    before, after = full.everything(), empty.everything()
    assert after == before
    assert sum(map(len, before.values())) > 10
    # The file is where its row says.
    [row] = empty.rows(empty.shared, "SELECT storage_key FROM instance_artifacts")
    assert make_storage(empty.settings).fetch(row["storage_key"], tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == "a,b\n1,2\n"


def test_the_restored_database_goes_on(full: Place, postgres: TestPostgres, tmp_path: Path) -> None:
    """Triggers write events again, numbers go on after the last one, and no event waits for a transaction to come."""
    work.backup(full.settings, tmp_path / "backup", None)
    empty = Place(postgres, tmp_path / "target", migrated=False)
    work.restore(empty.settings, tmp_path / "backup", None)
    [last] = empty.rows(empty.shared, "SELECT max(seq) AS seq FROM outbox")
    empty.rows(empty.shared, "UPDATE agents SET name = 'B'")
    [new] = empty.rows(empty.shared, "SELECT seq, event_type FROM outbox WHERE seq > %s", last["seq"])
    assert new["event_type"] == "agent.updated"
    waiting = "SELECT count(*) AS n FROM outbox WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())"
    assert empty.rows(empty.shared, waiting) == [{"n": 0}]
    with pytest.raises(psycopg.Error, match="audit"):
        empty.rows(empty.user, "TRUNCATE audit_log")


def test_what_is_there_is_never_mixed_with_a_backup(full: Place, tmp_path: Path) -> None:
    work.backup(full.settings, tmp_path / "backup", None)
    before = full.everything()
    with pytest.raises(StartError, match="is not empty"):
        work.restore(full.settings, tmp_path / "backup", None)
    assert full.everything() == before
    with pytest.raises(StartError, match="exists"):
        work.backup(full.settings, tmp_path / "backup", None)


def test_archives_that_cannot_be_opened_change_nothing(full: Place, postgres: TestPostgres, tmp_path: Path) -> None:
    for name in ("key", "other"):
        work.make_key(tmp_path / name)
    import pyrage

    public = str(pyrage.x25519.Identity.from_str((tmp_path / "key").read_text().strip()).to_public())
    work.backup(full.settings, tmp_path / "backup", public)
    damaged = bytearray((tmp_path / "backup").read_bytes())
    damaged[-100] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    (tmp_path / "text").write_text("no archive")
    empty = Place(postgres, tmp_path / "target", migrated=False)
    for archive, identity, message in (
        ("backup", None, "--identity"),
        ("backup", "other", "can't be opened"),
        ("damaged", "key", "can't be"),
        ("text", None, "can't be opened"),
        ("absent", None, "can't be read"),
    ):
        with pytest.raises(StartError, match=message):
            work.restore(empty.settings, tmp_path / archive, tmp_path / identity if identity else None)
        assert empty.everything() == {}
    with pytest.raises(StartError, match="no key of age"):
        work.backup(full.settings, tmp_path / "new", "age1nonsense")
    assert list(tmp_path.glob(".botberi*")) == []
