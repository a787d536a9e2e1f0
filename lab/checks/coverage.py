"""Lines of the projects that the tests ran: measured in each process of pytest, added up, in the summary's last lines.

From Python 3.12 on the interpreter's own monitoring (`sys.monitoring`) counts, which costs little; before, a tracer
does, which costs more than half as much again. So `./test` measures on 3.12 and later by itself, and `./test
--coverage` measures everywhere. Afterwards `.venv/bin/coverage html --data-file .botberi/coverage/whole` shows line by
line.
"""

import contextlib
import io
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: The folder of the processes' files; set where coverage is measured.
FOLDER: Final = "BOTBERI_COVERAGE_FOLDER"
#: The packages that count.
PACKAGES: Final = ("botberi_gateway", "subgraphs", "shared_schema", "event_broker", "workers", "botberi")
IS_CHEAP: Final = sys.version_info >= (3, 12)
#: A process runs some packages' code, and seldom all.
_EXPECTED: Final = ["module-not-imported", "no-data-collected", "module-not-measured"]
NOT_MEASURED: Final = (
    "coverage       not measured: before Python 3.12 it takes long; ./test --coverage measures the tests of `unit`"
)


def environment(root: Path) -> Mapping[str, str]:
    """Variables for processes of pytest that are measured; their files are in `.botberi/coverage` of the checkout."""
    folder = root / ".botberi" / "coverage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    core = {"COVERAGE_CORE": "sysmon"} if IS_CHEAP else {}
    return {FOLDER: str(folder), **core}


class Measurement:
    """Lines that this process runs, from its making to `end`."""

    def __init__(self, folder: str) -> None:
        from coverage import Coverage

        self._coverage = Coverage(
            data_file=str(Path(folder) / f"part.{os.getpid()}"), source_pkgs=list(PACKAGES), config_file=False
        )
        self._coverage.set_option("run:disable_warnings", _EXPECTED)
        self._coverage.start()

    def end(self) -> None:
        """Write what was measured."""
        self._coverage.stop()
        self._coverage.save()


def summary(folder: str) -> list[str]:
    """All processes' files -> a line with the share of the whole and of each package."""
    from coverage import Coverage

    whole = Coverage(data_file=str(Path(folder) / "whole"), source_pkgs=list(PACKAGES), config_file=False)
    whole.set_option("run:disable_warnings", _EXPECTED)
    whole.combine([str(part) for part in Path(folder).glob("part.*")])
    whole.save()
    report = Path(folder) / "report.json"
    with contextlib.redirect_stdout(io.StringIO()):
        whole.json_report(outfile=str(report))
    covered: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for name, file in json.loads(report.read_bytes())["files"].items():
        package = next((part for part in Path(name).parts if part in PACKAGES), None)
        if package is not None:
            covered[package] += file["summary"]["covered_lines"]
            lines[package] += file["summary"]["num_statements"]
    shares = [f"{package} {_percent(covered[package], lines[package]):.0f} %" for package in PACKAGES]
    return [f"coverage       {_percent(covered.total(), lines.total()):.1f} % of lines: {', '.join(shares)}"]


def _percent(covered: int, lines: int) -> float:
    return 100 * covered / lines if lines else 0.0
