"""A federation 1 supergraph (join v0.1) -> keys that a subgraph knows of another's entity are its fields.

Equal to a monolith.
"""

from pathlib import Path

import pytest
from graphql import print_schema

from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from lab.fuzzing.fuzz import some_trouble
from lab.fuzzing.graph import Graph
from lab.fuzzing.operation import random_operation
from lab.fuzzing.pair import Arena
from lab.fuzzing.world import Trouble

FOLDER = Path(__file__).parent / "federation_1"
SUPERGRAPH = Supergraph.from_sdl((FOLDER / "supergraph.graphql").read_text())


@pytest.fixture(scope="module")
def arena() -> Arena:
    subgraphs = {path.stem: path.read_text() for path in sorted((FOLDER / "subgraphs").glob("*.graphql"))}
    made = Arena(Graph(print_schema(SUPERGRAPH.api_schema), subgraphs))
    made.supergraph = SUPERGRAPH
    return made


@pytest.mark.parametrize(
    ("document", "fetches"),
    [
        ("{ reviews { author { id } } }", 1),
        ("{ reviews { plain { id } product { sku } } }", 1),
        ("{ reviews { author { name address { zip } } } }", 1),
        ("{ reviews { plain { name address { zip } } } }", 2),
        ("{ product { owner { org { id } name } } }", 1),
        ("{ product { owner { org { title } } maker { org { id } } } }", 2),
        ("{ latest { author { greeting org { size } } } }", 4),
        ("{ any { ... on User { id buys { price } } } }", 3),
        ("{ account { id ... on Admin { rights } } }", 2),
    ],
)
async def test_what_a_subgraph_knows_of_anothers_entity(arena: Arena, document: str, fetches: int) -> None:
    assert build_plan(SUPERGRAPH, document).fetch_count == fetches
    outcome = await arena.run(document, {}, Trouble(3, 0))
    assert not outcome.problem, outcome.plan


async def test_random_operations_equal_the_monolith(arena: Arena) -> None:
    for seed in range(150):
        made = random_operation(SUPERGRAPH.api_schema, seed, mutations=False)
        outcome = await arena.run(made.document, made.variables, some_trouble(seed))
        assert not outcome.problem, (seed, made.document, outcome.plan)
