"""However much a workflow says, what is written is bounded, and says what was left out."""

from __future__ import annotations

import sys

from tests.workers.support import Rows
from workers.process import ChildProcess, start
from workers.runs import RunStore
from workers.runs.lines import LogBook, clean
from workers.settings import WorkerSettings
from workers.supervise import Supervisor

CHATTY = """
import json, sys
sys.stdin.readline()
def say(**message): print(json.dumps(message), flush=True)
for n in range(20_000): say(kind="log", level="INFO", message=f"line {n}")
say(kind="result", result={})
"""


def test_reports_that_follow_one_another_are_one_line() -> None:
    book = LogBook(batch_lines=10, attempt_lines=100)
    for step in range(5):
        book.report(step / 10, f"step {step}")
    book.say("WARNING", "odd")
    book.report(0.9, "nearly")
    assert [(line.level, line.message, line.progress) for line in book.take()] == [
        ("INFO", "step 4", 0.4),
        ("WARNING", "odd", None),
        ("INFO", "nearly", 0.9),
    ]
    assert not book


def test_a_batch_says_how_many_lines_it_leaves_out() -> None:
    book = LogBook(batch_lines=3, attempt_lines=100)
    for number in range(8):
        book.say("INFO", str(number))
    book.lose(2)
    assert [line.message for line in book.take()] == ["0", "1", "2", "7 lines were left out: too many at once."]


def test_an_attempts_log_ends_once_and_says_so() -> None:
    book = LogBook(batch_lines=100, attempt_lines=10)
    taken = []
    for number in range(30):
        book.say("INFO", str(number))
        taken += book.take()
    assert len(taken) == 10
    assert taken[-1].message.startswith("The log ends here")


def test_a_line_is_cut_and_what_the_database_refuses_is_replaced() -> None:
    assert clean("a\x00b\ud800c") == "a\ufffdb?c"
    cut = clean("x" * 3_000)
    assert (len(cut), cut.endswith("(cut here)")) == (2_000, True)
    book = LogBook(batch_lines=10, attempt_lines=10)
    book.say("SHOUT", "x")
    assert book.take()[0].level == "INFO"


def test_a_chatty_workflow_floods_neither_table_nor_bus(rows: Rows, store: RunStore, settings: WorkerSettings) -> None:
    claim = store.claim(rows.instance("text-insights", {}), "w")
    assert claim is not None
    child = ChildProcess(10_000, start((sys.executable, "-c", CHATTY)))
    few = settings.model_copy(update={"run_log_batch_lines": 50, "run_log_lines": 200})
    assert Supervisor(claim, store, few, child).carry_out() == "SUCCEEDED"
    lines = rows.execute("SELECT sequence, message FROM instance_logs ORDER BY sequence")
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) <= 202
    assert any("left out" in line["message"] or "log ends here" in line["message"] for line in lines)
    [published] = rows.execute(
        "SELECT count(*) AS events FROM outbox WHERE aggregate_id = %s AND event_type = 'instance.log.appended'",
        claim.run.instance_id,
    )
    assert published["events"] <= len(lines)
    assert lines[-1]["message"] == "Succeeded."
