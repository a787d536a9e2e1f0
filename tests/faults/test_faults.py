"""The short form: five hundred runs while twenty processes are killed, then each kill point once; no violation."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.faults.rabbitmq import installed
from shared_schema.killpoints import POINTS
from tests.platform.running import clean_environment

ROOT = Path(__file__).parents[2]
RUNS, KILLS, SEED = 500, 20, 7

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.skipif(not installed(), reason="the fault suite needs Debian's rabbitmq-server"),
]


@pytest.mark.timeout(1200)
def test_nothing_is_lost_stuck_or_doubled(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lab", "faults", f"--runs={RUNS}", f"--kills={KILLS}", f"--seed={SEED}"]
    done = subprocess.run(
        [*command, "--points=1", "--json", f"--keep={tmp_path / 'kept'}"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    output = f"{done.stdout}\n{done.stderr[-5000:]}"
    assert done.returncode == 0, output
    last = json.loads(done.stdout.splitlines()[-1])
    assert list(last) == ["runs", "kills", "violations", "lost", "stuck", "double_terminal"]
    assert last["runs"] >= RUNS, output
    assert last["kills"] == KILLS + len(POINTS), output
    assert last["violations"] == last["lost"] == last["stuck"] == last["double_terminal"] == 0
    trace = [json.loads(line) for line in (tmp_path / "kept" / "trace.jsonl").read_text().splitlines()]
    assert {one["name"] for one in trace if one["event"] == "point"} == set(POINTS)
