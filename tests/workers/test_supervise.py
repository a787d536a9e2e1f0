"""A claimed run in its child process: results, errors, cancel, deadline, crashes, a database that goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared_schema.artifacts.local import LocalFolder
from tests.workers.support import Rows
from workers.nursery import Nursery
from workers.process import ChildProcess, start
from workers.runs import RunStore
from workers.settings import WorkerSettings
from workers.supervise import Supervisor

SAY = "import json,sys,time,os;order=json.loads(sys.stdin.readline());say=lambda **m:print(json.dumps(m),flush=True);"
TEXTS = {"texts": ["Good."]}


def child(settings: WorkerSettings, code: str | None = None) -> ChildProcess:
    """A real child, or one that does what `code` says instead of a workflow."""
    command = (sys.executable, "-m", "workers.child") if code is None else (sys.executable, "-c", SAY + code)
    return ChildProcess(settings.run_result_max_bytes + 1_000, start(command))


def carry_out(
    rows: Rows, store: RunStore, settings: WorkerSettings, code: str | None = None, **changes: Any
) -> tuple[str, dict[str, Any]]:
    claim = store.claim(rows.instance(changes.pop("workflow", "text-insights"), changes.pop("parameters", TEXTS)), "me")
    assert claim is not None
    settings = settings.model_copy(update=changes)
    outcome = Supervisor(claim, store, settings, child(settings, code)).carry_out()
    return outcome, rows.get(claim.run.instance_id)


def test_a_real_workflow_succeeds(rows: Rows, store: RunStore, settings: WorkerSettings) -> None:
    outcome, row = carry_out(rows, store, settings, parameters={"texts": ["I love it.", "I hate it."]})
    assert outcome == row["status"] == "SUCCEEDED"
    assert [text["label"] for text in row["result"]["texts"]] == ["positive", "negative"]
    assert row["progress"] == 1


@pytest.mark.parametrize(
    ("workflow", "parameters", "code", "words"),
    [
        ("text-insights", {"texts": []}, "INVALID_PARAMETERS", "texts"),
        ("text-insights", {"texts": ["x"], "nonsense": 1}, "INVALID_PARAMETERS", "nonsense"),
        ("text-insights", {"texts": ["…"]}, "NO_WORDS", "no word"),
        ("table-clusters", {"csv": "a,b\n1,2\n3\n"}, "RAGGED_CSV", "Line 3"),
        ("no-such-workflow", {}, "UNKNOWN_WORKFLOW", "no-such-workflow"),
    ],
)
def test_the_owner_learns_what_is_wrong(
    rows: Rows,
    store: RunStore,
    settings: WorkerSettings,
    workflow: str,
    parameters: dict[str, Any],
    code: str,
    words: str,
) -> None:
    outcome, row = carry_out(rows, store, settings, workflow=workflow, parameters=parameters)
    assert outcome == row["status"] == "FAILED"
    assert row["error_code"] == code
    assert words in row["error_message"]
    assert row["result"] is None


@pytest.mark.parametrize(
    ("does", "status", "code"),
    [
        ("say(kind='result', result={'n': 1})", "SUCCEEDED", None),
        ("say(kind='cancelled')", "CANCELLED", "CANCELLED"),
        ("say(kind='error', code='INTERNAL', message='')", "FAILED", "INTERNAL"),
        ("print('no json', flush=True)", "FAILED", "INTERNAL"),
        ("say(kind='result', result={'n': 'x' * 5000})", "FAILED", "RESULT_TOO_LARGE"),
        ("print('x' * 100000, flush=True)", "FAILED", "RESULT_TOO_LARGE"),
        ("say(kind='result', result={'n': '\\0'})", "FAILED", "RESULT_NOT_STORABLE"),
        ("time.sleep(60)", "TIMED_OUT", "TIMED_OUT"),
        ("sys.exit(9)", "QUEUED", None),
        ("os.kill(os.getpid(), 11)", "QUEUED", None),
    ],
)
def test_every_end_of_a_child_is_an_end_of_the_run(
    rows: Rows, store: RunStore, settings: WorkerSettings, does: str, status: str, code: str | None
) -> None:
    _, row = carry_out(rows, store, settings, does, run_timeout_seconds=2.0, run_result_max_bytes=2_000)
    assert (row["status"], row["error_code"]) == (status, code)


def test_a_child_that_crashes_in_its_last_attempt_fails_the_run(
    rows: Rows, store: RunStore, settings: WorkerSettings
) -> None:
    instance_id = rows.instance("text-insights", TEXTS, attempt=2)
    claim = store.claim(instance_id, "me")
    assert claim is not None
    assert Supervisor(claim, store, settings, child(settings, "os.kill(os.getpid(), 9)")).carry_out() == "FAILED"
    row = rows.get(instance_id)
    assert row["error_code"] == "CRASHED"
    assert "signal 9" in row["error_message"]


def test_an_internal_error_shows_a_reference_and_no_traceback(
    rows: Rows, store: RunStore, settings: WorkerSettings, caplog: pytest.LogCaptureFixture
) -> None:
    does = (
        "print('Traceback: secret path', file=sys.stderr, flush=True);say(kind='error', code='INTERNAL', message='x')"
    )
    _, row = carry_out(rows, store, settings, does)
    assert "secret path" not in row["error_message"]
    reference = row["error_message"].rsplit(" ", 1)[-1].rstrip(".")
    logged = next(record.getMessage() for record in caplog.records if reference in record.getMessage())
    assert "secret path" in logged


def test_progress_is_written_but_not_each_report(rows: Rows, store: RunStore, settings: WorkerSettings) -> None:
    does = (
        "[(say(kind='progress', fraction=n/200, message=f'step {n}'), time.sleep(0.005)) for n in range(200)];"
        "time.sleep(0.5);say(kind='result', result={})"
    )
    _, row = carry_out(rows, store, settings, does, run_progress_seconds=0.25)
    events = rows.execute("SELECT count(*) AS n FROM outbox WHERE aggregate_id = %s", row["id"])[0]["n"]
    assert row["status"] == "SUCCEEDED"
    assert 5 <= events <= 15


def during(rows: Rows, action: str, *, after: str = "RUNNING") -> threading.Thread:
    """Do something to the newest instance once it runs."""

    def act() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = rows.execute("SELECT id, status FROM instances ORDER BY created_at DESC LIMIT 1")
            if found and found[0]["status"] == after:
                time.sleep(0.6)
                rows.execute(f"UPDATE instances SET {action} WHERE id = %s", found[0]["id"])
                return
            time.sleep(0.02)

    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("does", "message", "most"),
    [
        ("json.loads(sys.stdin.readline())['cancel'];say(kind='cancelled')", "Cancelled.", 1.6),
        ("time.sleep(60)", "had to be stopped", 3.5),
    ],
    ids=["cooperative", "stubborn"],
)
def test_cancel_ends_the_run(
    rows: Rows, store: RunStore, settings: WorkerSettings, does: str, message: str, most: float
) -> None:
    other = during(rows, "cancel_requested_at = now()")
    began = time.monotonic()
    _, row = carry_out(rows, store, settings, does)
    other.join()
    assert row["status"] == "CANCELLED"
    assert message in row["error_message"]
    assert time.monotonic() - began < most + 1


def test_a_fenced_worker_stops_its_child_and_writes_nothing(
    rows: Rows, store: RunStore, settings: WorkerSettings
) -> None:
    other = during(rows, "attempt = attempt + 1, lease_owner = 'another'")
    began = time.monotonic()
    outcome, row = carry_out(rows, store, settings, "time.sleep(60)")
    other.join()
    assert outcome == "FENCED"
    assert time.monotonic() - began < 5
    assert (row["status"], row["lease_owner"], row["attempt"]) == ("RUNNING", "another", 2)


#: Folder for files of runs that are not kept.
FILES = {"path": tempfile.gettempdir(), "max_bytes": 1_000_000, "max_files": 5}


def test_a_child_dies_with_its_worker() -> None:
    code = (
        "import json,sys,time;from workers.process import ChildProcess,start;"
        "c=ChildProcess(10**6,start());c.begin('forecast',json.loads(sys.argv[1]),json.loads(sys.argv[2]));"
        "print(c.pid,flush=True);time.sleep(60)"
    )
    values = [float(n % 7) for n in range(5000)]
    worker = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps({"values": values, "horizon": 400}), json.dumps(FILES)],
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    time.sleep(0.3)
    worker.kill()
    worker.wait()
    assert_ended(pid)


def assert_ended(pid: int) -> None:
    """Fail if the process is there for another 20 seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # ended; its new parent will take note in its own time
            return
        time.sleep(0.05)
    pytest.fail("it outlived its worker")


ZYGOTES = {
    "while it loads libraries": """
import socket, subprocess, sys, time
mine, other = socket.socketpair()
loading = "import time, workers.zygote as z;"
loading += "z.load_libraries = lambda: (print(z.os.getpid(), flush=True), time.sleep(300)); z.main()"
subprocess.Popen([sys.executable, "-c", loading, str(other.fileno())], pass_fds=[other.fileno()])
other.close()
time.sleep(300)
""",
    "while it waits for a run": """
import sys, time
from workers.nursery import Nursery
from workers.settings import WorkerSettings
nursery = Nursery(WorkerSettings())
nursery.prepare()
while not nursery._zygote.ready(): time.sleep(0.1)
print(nursery._zygote.pid, flush=True)
time.sleep(300)
""",
    "while a run goes on that hears nothing": """
import os, signal, sys, time
from workers.nursery import Nursery
from workers.settings import WorkerSettings
nursery = Nursery(WorkerSettings())
nursery.prepare()
while not nursery._zygote.ready(): time.sleep(0.1)
child = nursery.take()
os.kill(child.pid, signal.SIGSTOP)
print(nursery._zygote.pid, child.pid, flush=True)
time.sleep(300)
""",
}


@pytest.mark.parametrize("code", ZYGOTES.values(), ids=ZYGOTES.keys())
def test_a_zygote_and_its_run_die_with_their_worker(code: str) -> None:
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    processes = [int(pid) for pid in worker.stdout.readline().split()]
    assert processes
    worker.kill()
    worker.wait()
    for pid in processes:
        assert_ended(pid)


def test_nothing_is_left_of_a_closed_nursery_and_nothing_follows(settings: WorkerSettings) -> None:
    nursery = Nursery(settings)
    nursery.prepare()
    assert nursery._zygote is not None
    zygote = nursery._zygote.pid
    nursery.close()
    assert not Path(f"/proc/{zygote}").exists()
    nursery.prepare()
    assert nursery._zygote is None


@pytest.fixture
def warm(settings: WorkerSettings) -> Iterator[Nursery]:
    """A nursery whose zygote is ready."""
    nursery = Nursery(settings)
    nursery.prepare()
    zygote = nursery._zygote
    assert zygote is not None
    deadline = time.monotonic() + 60
    while not zygote.ready() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield nursery
    nursery.close()


TABLE = {"rows": [{"a": n % 5, "b": n % 7} for n in range(50)]}


def test_forked_children_have_their_libraries_and_end_like_others(
    rows: Rows, store: RunStore, settings: WorkerSettings, warm: Nursery, tmp_path: Path
) -> None:
    storage = LocalFolder(tmp_path, lambda: b"s" * 32, "http://here")
    for _ in range(3):
        claim = store.claim(rows.instance("tabular-anomaly", TABLE), "me")
        assert claim is not None
        assert Supervisor(claim, store, settings, warm.take(), storage).carry_out() == "SUCCEEDED"
    assert warm._zygote is not None


def test_a_forked_child_can_be_killed_and_the_next_is_another(warm: Nursery) -> None:
    first = warm.take()
    first.begin("forecast", {"values": [float(n % 7) for n in range(5000)], "horizon": 400}, FILES)
    assert first.receive(10) is not None
    assert first.kill() == -signal.SIGKILL
    second = warm.take()
    assert second.pid != first.pid
    second.begin("text-insights", TEXTS, FILES)
    while (message := second.receive(10)) is not None and message["kind"] == "progress":
        pass
    assert message is not None
    assert message["kind"] == "result"
    assert second.exit_status(5) == 0
    assert second.kill() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, 0)


def test_a_crash_in_a_forked_child_is_reported(
    rows: Rows, store: RunStore, settings: WorkerSettings, warm: Nursery
) -> None:
    claim = store.claim(rows.instance("forecast", {"values": [1.0, 2.0] * 2000}), "me")
    assert claim is not None
    child = warm.take()
    os.kill(child.pid, signal.SIGSEGV)
    assert Supervisor(claim, store, settings, child).carry_out() == "RELEASED"
    assert "signal 11" in rows.get(claim.run.instance_id)["progress_message"]


def test_a_zygote_that_died_is_replaced(settings: WorkerSettings, warm: Nursery) -> None:
    assert warm._zygote is not None
    dead = warm._zygote.pid
    os.kill(dead, signal.SIGKILL)
    time.sleep(0.2)
    cold = warm.take()
    assert cold.alive
    cold.kill()
    warm.prepare()
    assert warm._zygote is not None
    assert warm._zygote.pid != dead
