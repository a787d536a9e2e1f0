"""The short form on the in-process bus: runs while the one process, its worker and its Postgres are killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.faults.schedule import KILLS
from tests.platform.running import clean_environment

ROOT = Path(__file__).parents[2]
RUNS, KILLED, SEED = 60, 5, 7

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]


def faults(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lab", "faults", "--bus=memory", f"--seed={SEED}", *arguments],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )


def test_nothing_is_lost_stuck_or_doubled(tmp_path: Path) -> None:
    done = faults(f"--runs={RUNS}", f"--kills={KILLED}", "--json", f"--keep={tmp_path / 'kept'}")
    output = f"{done.stdout}\n{done.stderr[-5000:]}"
    assert done.returncode == 0, output
    last = json.loads(done.stdout.splitlines()[-1])
    assert last == {"runs": RUNS, "kills": KILLED, "violations": 0, "lost": 0, "stuck": 0, "double_terminal": 0}, output
    trace = [json.loads(line) for line in (tmp_path / "kept" / "trace.jsonl").read_text().splitlines()]
    assert {one["kind"] for one in trace if one["event"] == "fault"} >= set(KILLS["memory"])


def test_kill_points_are_not_for_it() -> None:
    done = faults("--points=1")
    assert done.returncode == 2
    assert "--points" in done.stderr
