"""Which tests run one after another in one process, and which run in whatever process has time."""

from typing import Final

#: Folders whose tests start servers and watch clocks.
ALONE: Final = ("tests/platform/", "tests/event_broker/", "tests/workers/", "tests/faults/")
#: Files in these folders that watch no clock: they run beside other tests, as all tests elsewhere do.
BESIDE: Final = (
    "tests/platform/test_cold_clone.py",
    "tests/event_broker/test_mailbox.py",
    "tests/event_broker/test_topology.py",
    "tests/workers/test_lines.py",
    "tests/workers/test_model.py",
    "tests/workers/test_workflows.py",
    "tests/faults/test_checker.py",
    "tests/faults/test_killpoints.py",
    "tests/faults/test_schedule.py",
)


def is_alone(test: str) -> bool:
    """Return whether a test, named by its node id, belongs to the chain that runs one after another."""
    return test.startswith(ALONE) and not test.startswith(BESIDE)
