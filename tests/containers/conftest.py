"""`./test --containers`: the compose files on a real engine. `./test` alone leaves these tests out."""

import os

import pytest

from lab.checks import containers
from lab.checks.command import CONTAINERS_VARIABLE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = os.path.dirname(__file__)
    mine = [item for item in items if str(item.path).startswith(here)]
    if not mine:
        return
    reason = containers.problem() if os.environ.get(CONTAINERS_VARIABLE) else "run by ./test --containers"
    for item in mine:
        item.add_marker(pytest.mark.timeout(1200))
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))
