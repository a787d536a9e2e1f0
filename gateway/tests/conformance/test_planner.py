"""Operations with their plans: the text, the fetches and the sequential steps.

Executing each plan answers as a monolith does.
"""

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from gateway.tests.conformance.arena import WrittenArena
from gateway.tests.conformance.folders import Folder, folders
from lab.fuzzing.world import Trouble


@pytest.mark.parametrize("folder", folders("planner"), ids=str)
async def test_case(folder: Folder) -> None:
    operation = folder.text("operation.graphql")
    assert operation is not None
    plan = build_plan(_supergraph(folder), operation, labels=frozenset(folder.words("Labels")))
    assert (plan.fetch_count, plan.depth) == (folder.number("Fetches"), folder.number("Steps")), f"\n{plan}"
    assert f"{plan}\n" == folder.text("plan.txt"), f"\n{plan}"
    if folder.words("Monolith") == ["none"]:
        return
    arena = WrittenArena(folder)
    for trouble in (Trouble(1, nulls=0), Trouble(2, nulls=200)):
        outcome = await arena.run(operation, folder.json("variables.json") or {}, trouble)
        assert not outcome.skipped
        assert not outcome.problem, f"{outcome.problem}\n{plan}"


def _supergraph(folder: Folder) -> Supergraph:
    given = folder.text("supergraph.graphql")
    if given is None:
        composition = compose([Subgraph(name, sdl) for name, sdl in folder.subgraphs.items()])
        assert composition.supergraph_sdl is not None, composition.errors
        given = composition.supergraph_sdl
    return Supergraph.from_sdl(given)
