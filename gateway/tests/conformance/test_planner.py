"""Operations with their plans: the text, the number of fetches and of sequential steps, and that executing them answers as a monolith does."""

import pytest

from botberi_gateway.planner import build_plan
from gateway.tests.conformance.arena import WrittenArena
from gateway.tests.conformance.folders import Folder, folders
from lab.fuzzing.world import Trouble


@pytest.mark.parametrize("folder", folders("planner"), ids=str)
async def test_case(folder: Folder) -> None:
    arena = WrittenArena(folder)
    operation = folder.text("operation.graphql")
    assert operation is not None
    plan = build_plan(arena.supergraph, operation, labels=arena.labels)
    assert (plan.fetch_count, plan.depth) == (folder.number("Fetches"), folder.number("Steps")), f"\n{plan}"
    assert f"{plan}\n" == folder.text("plan.txt"), f"\n{plan}"
    for trouble in (Trouble(1, nulls=0), Trouble(2, nulls=200)):
        outcome = await arena.run(operation, folder.json("variables.json") or {}, trouble)
        assert not outcome.skipped
        assert not outcome.problem, f"{outcome.problem}\n{plan}"
