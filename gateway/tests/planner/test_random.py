"""Random operations on every supergraph of the corpora.

The answer is the monolith's, every subgraph operation valid.
"""

import json
from pathlib import Path

import pytest

from botberi_gateway.errors import PlanningError, RequestError
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from gateway.tests.support.executing import execute
from gateway.tests.support.runtimes import runtime_of
from gateway.tests.support.shared import SHARED, needs
from gateway.tests.support.world import World
from lab.fuzzing.operation import random_operation

SEEDS = range(6)

#: Supergraphs that no composition gives: a type is missing in a subgraph; a field that not every object's subgraph
#: leads to.
BROKEN = {"recursion-bomb"}
UNSATISFIABLE = {
    "corrupted-supergraph-node-id",
    "audit-non-resolvable-interface-object",
    "non-resolvable-interface-object",
}


def _supergraphs() -> dict[str, Path]:
    found = {path.stem: path for path in sorted(SHARED.glob("planner/supergraphs/*.graphql"))}
    found |= {f"audit/{path.parent.name}": path for path in sorted(SHARED.glob("federation/*/supergraph.graphql"))}
    return {name: path for name, path in found.items() if name.removeprefix("audit/") not in BROKEN}


@needs(SHARED, "random operations on the supergraphs of two corpora")
@pytest.mark.parametrize("name", _supergraphs())
async def test_answers_as_the_monolith(name: str) -> None:
    supergraph = Supergraph.from_sdl(_supergraphs()[name].read_text())
    world = World(supergraph)
    runtime = runtime_of(world.clients())
    compared = 0
    for seed in SEEDS:
        made = random_operation(supergraph.api_schema, seed, mutations=False)
        document = made.document
        try:
            operation = prepare(supergraph.api_schema, document, None, UNLIMITED)
        except RequestError:
            continue  # aliases that conflict
        variables = coerce_variables(operation, made.variables)
        truth = world.monolith(document, made.variables)
        if truth.errors:
            continue  # an interface that no type implements
        try:
            plan = build_plan(supergraph, operation)
        except PlanningError:
            assert name.removeprefix("audit/") in UNSATISFIABLE, document
            continue
        result = await execute(plan, operation, variables, runtime)
        answer = json.loads(result.to_bytes())
        assert json.dumps(answer) == json.dumps({"data": truth.data}), f"seed {seed}: {document}\n{plan}"
        compared += 1
    assert compared or name.removeprefix("audit/") in UNSATISFIABLE, "no operation could be compared"
