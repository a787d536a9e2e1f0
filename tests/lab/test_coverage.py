"""How much the tests run is measured in all processes of pytest, and said once."""

import re
import subprocess
import sys
from pathlib import Path

from lab.checks import coverage
from lab.checks.steps import LINES
from tests.platform.running import ROOT, clean_environment

TEST = """\
def test_of_errors() -> None:
    from botberi_gateway.errors import ErrorEntry

    assert ErrorEntry("text", "CODE").message == "text"


def test_of_ids() -> None:
    from shared_schema.ids import new_id

    assert new_id() != new_id()
"""


def summary(folder: Path, environment: dict[str, str]) -> str:
    """What pytest prints that runs two tests in two processes."""
    for number, part in enumerate(TEST.split("\n\n\n")):
        (folder / f"test_{number}.py").write_text(part)
    command = [sys.executable, "-m", "pytest", "-p", "lab.checks.plugin", "-p", "no:cacheprovider", "-n", "2"]
    # Not as a process of the xdist that runs this test, with the options of its pytest.
    kept = {name: value for name, value in clean_environment(environment).items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    return done.stdout


def test_what_all_processes_ran_is_added_up(tmp_path: Path) -> None:
    said = summary(tmp_path, dict(coverage.environment(tmp_path)))
    [(whole, packages)] = re.findall(r"^coverage +([\d.]+) % of lines: (.*)$", said, re.MULTILINE)
    assert 0 < float(whole) < 50
    shares = {name: int(share) for name, share in re.findall(r"(\w+) (\d+) %", packages)}
    assert tuple(shares) == coverage.PACKAGES
    measured = tmp_path / ".botberi" / "coverage" / "whole"
    from coverage import CoverageData

    data = CoverageData(str(measured))
    data.read()
    for ran in ("gateway/botberi_gateway/errors.py", "shared_schema/ids.py"):
        assert len(data.lines(str(ROOT / ran)) or ()) > 5, ran
    assert not data.lines(str(ROOT / "workers/tasks.py"))


def test_where_it_is_not_measured_a_line_says_so(tmp_path: Path) -> None:
    said = summary(tmp_path, {LINES: "mypy           ok in 1 s"})
    assert said.count("mypy           ok in 1 s") == 1
    assert said.count(coverage.NOT_MEASURED) == 1
