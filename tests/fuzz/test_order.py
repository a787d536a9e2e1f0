"""The order of subgraphs' answers never decides a client's answer: failing cases are answered in several orders.

Each pair runs by both executors at once, then by each alone while the same answers come in orders of its seed's; every
byte must be equal, and what is asked too (`lab.fuzzing.pair`).
"""

from pathlib import Path

import pytest

from lab.fuzzing.folder import operations, read_case
from lab.fuzzing.pair import Arena, describe
from lab.fuzzing.world import Trouble
from tests.support.cases import FOLDERS

HOW = ("unreachable", "no data", "timeout", "status")


def _trouble(seed: int) -> Trouble:
    """By turns fields and calls that fail."""
    if seed % 2:
        return Trouble(seed, nulls=50, errors=200, broken=30)
    return Trouble(seed, nulls=50, failing=(seed % 3, seed % 5), how=HOW[seed // 2 % len(HOW)])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
async def test_order_never_matters(folder: Path) -> None:
    for operation in operations(folder):
        case, _ = read_case(folder, operation)
        arena = Arena(case.graph)
        for seed in range(8):
            outcome = await arena.run(case.document, case.variables, trouble := _trouble(seed))
            assert not outcome.skipped
            # What the case itself is about, its own test says; here it has other trouble.
            described = f"{outcome.problem}\n{describe(case)}\n{trouble}"
            assert "the order of answers decides" not in outcome.problem, described
            assert "the executors differ" not in outcome.problem, described
