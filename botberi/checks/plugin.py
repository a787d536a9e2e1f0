"""pytest plugin of `botberi test`: what needs the machine for itself runs in one process; other steps' outcomes join the summary."""

import os
from typing import Any, Final

import pytest

#: Outcomes of the steps before pytest, a line each, and whether one failed.
LINES: Final = "BOTBERI_CHECKS_LINES"
FAILED: Final = "BOTBERI_CHECKS_FAILED"
_ALONE: Final = ("platform", "browser", "rabbitmq")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with servers of their own share one worker (`--dist loadgroup`), so that they never run beside each other."""
    for item in items:
        if any(item.get_closest_marker(name) for name in _ALONE):
            item.add_marker(pytest.mark.xdist_group("alone"))
    # The longest line of work begins first; order within it, and within the rest, stays.
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what became of linters and the like, right above the closing line."""
    lines = os.environ.get(LINES)
    if lines:
        terminalreporter.section("checks")
        for line in lines.splitlines():
            terminalreporter.write_line(line, red="FAILED" in line)
