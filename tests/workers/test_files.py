"""Files that runs make: whose attempt they are, when they count, how they are read, and when they go."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared_schema.artifacts import StorageError
from shared_schema.artifacts.local import LocalFolder
from shared_schema.database import Database
from tests.workers.support import Rows
from workers.nursery import Nursery
from workers.process import ChildProcess, start
from workers.registry import TEMPLATES
from workers.runs import Claim, Fenced, RunStore
from workers.runs.janitor import Janitor
from workers.settings import WorkerSettings
from workers.supervise import Supervisor

HEAD = """
import json, sys, time, pathlib
order = json.loads(sys.stdin.readline())
def say(**message): print(json.dumps(message), flush=True)
folder = pathlib.Path(order["artifacts"]["path"])
def file(name, text, type="text/plain"):
    (folder / name).write_text(text); say(kind="artifact", name=name, content_type=type)
"""


def secret() -> bytes:
    return b"s" * 32


@pytest.fixture
def storage(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "files", secret, "http://here")


def run(
    rows: Rows, store: RunStore, settings: WorkerSettings, storage: LocalFolder, does: str, **changes: Any
) -> tuple[str, dict[str, Any], Claim]:
    """A run whose process does this, carried out."""
    import sys

    claim = store.claim(rows.instance("text-insights", {}), "w")
    assert claim is not None
    process = start((sys.executable, "-c", HEAD + does))
    changed = settings.model_copy(update=changes)
    outcome = Supervisor(claim, store, changed, ChildProcess(10_000, process), storage).carry_out()
    return outcome, rows.get(claim.run.instance_id), claim


def files(rows: Rows) -> list[dict[str, Any]]:
    return rows.execute("SELECT * FROM instance_artifacts ORDER BY attempt, name")


def read(storage: LocalFolder, row: dict[str, Any]) -> str | None:
    address = storage.url(row["storage_key"], row["content_type"], row["name"], 60)
    found = storage.open(address.rpartition("/")[2])
    return found.file.read_text() if found else None


def test_a_succeeded_runs_files_count(
    rows: Rows, store: RunStore, settings: WorkerSettings, storage: LocalFolder
) -> None:
    does = "file('a.csv', 'x,y', 'text/csv'); file('b.txt', 'one'); file('b.txt', 'two'); say(kind='result', result={})"
    assert run(rows, store, settings, storage, does)[0] == "SUCCEEDED"
    found = files(rows)
    assert [(row["name"], row["content_type"], row["size_bytes"]) for row in found] == [
        ("a.csv", "text/csv", 3),
        ("b.txt", "text/plain", 3),
    ]
    assert all(row["promoted_at"] for row in found)
    assert [read(storage, row) for row in found] == ["x,y", "two"]


@pytest.mark.parametrize(
    ("does", "code"),
    [
        ("file('a', 'x' * 2000); say(kind='result', result={})", "ARTIFACT_REFUSED"),
        ("[file(f'a{n}', 'x') for n in range(4)]; say(kind='result', result={})", "ARTIFACT_REFUSED"),
        ("say(kind='artifact', name='../../etc/passwd', content_type='x'); time.sleep(9)", "ARTIFACT_REFUSED"),
        ("say(kind='artifact', name='gone', content_type='x'); say(kind='result', result={})", "ARTIFACT_REFUSED"),
        (
            "(folder / 'link').symlink_to('/etc/passwd'); say(kind='artifact', name='link', content_type='text/plain');"
            "say(kind='result', result={})",
            "ARTIFACT_REFUSED",
        ),
    ],
    ids=["too large", "too many", "a way out", "not there", "a link out"],
)
def test_a_file_beyond_the_limits_fails_the_run(
    rows: Rows, store: RunStore, settings: WorkerSettings, storage: LocalFolder, does: str, code: str
) -> None:
    _, row, _ = run(rows, store, settings, storage, does, run_artifact_max_bytes=1000, run_artifacts=3)
    assert (row["status"], row["error_code"]) == ("FAILED", code)
    assert not any(each["promoted_at"] for each in files(rows))


def test_files_of_a_run_that_does_not_succeed_count_for_nothing_and_go(
    rows: Rows, store: RunStore, settings: WorkerSettings, storage: LocalFolder
) -> None:
    _, row, _ = run(rows, store, settings, storage, "file('a', 'x'); say(kind='error', code='NO', message='no')")
    assert row["status"] == "FAILED"
    assert files(rows) == []


class Failing(LocalFolder):
    """A storage that is away."""

    def put(self, key: str, file: Path, content_type: str, name: str) -> None:
        raise StorageError("away")


def test_a_storage_that_is_away_costs_an_attempt_not_the_run(
    rows: Rows, store: RunStore, settings: WorkerSettings, tmp_path: Path
) -> None:
    away = Failing(tmp_path, secret)
    outcome, row, _ = run(rows, store, settings, away, "file('a', 'x'); say(kind='result', result={})")
    assert (outcome, row["status"]) == ("RELEASED", "QUEUED")
    assert "couldn't be stored" in row["progress_message"]


def note(store: RunStore, claim: Claim, key: str) -> str:
    from shared_schema.ids import new_id

    return store.note_file(claim, new_id(), name="a", content_type="text/plain", size=1, sha256=b"0" * 32, key=key)


async def test_a_zombies_files_are_never_seen(
    rows: Rows, store: RunStore, settings: WorkerSettings, storage: LocalFolder, database: Database, tmp_path: Path
) -> None:
    source = tmp_path / "a"
    source.write_text("x")
    instance_id = rows.instance("text-insights", {})
    old = store.claim(instance_id, "old")
    assert old is not None
    storage.put(note(store, old, "of-old"), source, "text/plain", "a")
    rows.execute("UPDATE instances SET lease_expires_at = now() - interval '1 second'")
    new = store.claim(instance_id, "new")
    assert new is not None
    with pytest.raises(Fenced):
        note(store, old, "late")
    storage.put(note(store, new, "of-new"), source, "text/plain", "a")
    with pytest.raises(Fenced):
        store.finish(old, "SUCCEEDED", result={})
    # Not even by hand: the database knows which attempt succeeded.
    with pytest.raises(psycopg.errors.CheckViolation):
        rows.execute("UPDATE instance_artifacts SET promoted_at = now() WHERE storage_key = 'of-old'")
    store.finish(new, "SUCCEEDED", result={})
    assert [(row["storage_key"], row["promoted_at"] is not None) for row in files(rows)] == [
        ("of-old", False),
        ("of-new", True),
    ]
    with pytest.raises(psycopg.errors.CheckViolation):
        rows.execute("UPDATE instance_artifacts SET promoted_at = now() WHERE storage_key = 'of-old'")
    janitor = Janitor(database, storage, settings.model_copy(update={"artifact_grace_seconds": 0.001}))
    assert await janitor.clean() == 1
    assert [row["storage_key"] for row in files(rows)] == ["of-new"]
    assert not (tmp_path / "files" / "of-old").exists()
    rows.execute("UPDATE instances SET deleted_at = now()")
    assert await janitor.clean() == 1
    assert files(rows) == []
    assert not (tmp_path / "files" / "of-new").exists()


@pytest.mark.parametrize(
    ("workflow", "name"),
    [("tabular-anomaly", "anomalies.csv"), ("forecast", "forecast.csv"), ("table-clusters", "assignments.csv")],
)
def test_our_workflows_make_files_that_agree_with_their_results(
    rows: Rows, store: RunStore, settings: WorkerSettings, storage: LocalFolder, workflow: str, name: str
) -> None:
    claim = store.claim(rows.instance(workflow, json.loads(json.dumps(TEMPLATES[workflow][0].parameters))), "w")
    assert claim is not None
    assert Supervisor(claim, store, settings, Nursery(settings).take(), storage).carry_out() == "SUCCEEDED"
    result = rows.get(claim.run.instance_id)["result"]
    (row,) = files(rows)
    assert (row["name"], row["content_type"]) == (name, "text/csv; charset=utf-8")
    table = list(csv.DictReader(io.StringIO(read(storage, row) or "")))
    listed = {"anomalies.csv": "anomalies", "forecast.csv": "forecast", "assignments.csv": "assignments"}[name]
    assert len(table) == len(result[listed]) > 0
    said = rows.execute("SELECT message FROM instance_logs WHERE message LIKE %s", f"Made the file {name}%")
    assert len(said) == 1
