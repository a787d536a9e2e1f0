"""pytest plugin of `lab test`: tests that need the whole machine run in one process; other steps join the summary."""

import os
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

from lab.checks import coverage
from lab.checks.chains import is_alone
from lab.checks.steps import LINES

#: From the import of this plugin on, which is before any test's.
_measured: Final = coverage.Measurement(folder) if (folder := os.environ.get(coverage.FOLDER)) else None


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types here
    """A file at a time, wherever there is room; those that run alone all in one place.

    xdist's own `loadgroup` reads groups from node ids that pytest 9.2 no longer lets it rename.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "alone" if is_alone(nodeid) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling:
    """As in xdist."""
    return _Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest line of work begins first; order within it, and within the rest, stays."""
    items.sort(key=lambda item: not is_alone(item.nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Write what this process ran."""
    if _measured is not None:
        _measured.end()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what became of linters and the like, and how much the tests ran, right above the closing line."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # a worker's summary is shown to no one
    lines = os.environ.get(LINES, "").splitlines()
    if folder := os.environ.get(coverage.FOLDER):
        lines += coverage.summary(folder)
    elif lines:
        lines.append(coverage.NOT_MEASURED)
    if lines:
        terminalreporter.section("checks")
        for line in lines:
            terminalreporter.write_line(line, red="FAILED" in line)
