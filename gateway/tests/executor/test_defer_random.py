"""Random operations with `@defer` on every supergraph of the corpora, against graphql-core's incremental execution."""

import asyncio
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLResolveInfo, parse
from graphql.execution import ExperimentalIncrementalExecutionResults, experimental_execute_incrementally

from botberi_gateway.errors import PlanningError, RequestError
from botberi_gateway.executor import ExecutorKind, PathForm, PendingForm, deliver
from botberi_gateway.operation import prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.plan import Defer
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse
from gateway.tests.support.executing import execute
from gateway.tests.support.incremental import Whole, WholeByPath, deferring, unordered
from gateway.tests.support.random_operations import random_operation
from gateway.tests.support.runtimes import runtime_of
from gateway.tests.support.shared import SHARED, needs
from gateway.tests.support.world import Thing, World, WorldClient

SEEDS = range(6)
BROKEN = {"recursion-bomb"}


def _supergraphs() -> dict[str, Path]:
    found = {path.stem: path for path in sorted(SHARED.glob("planner/supergraphs/*.graphql"))}
    found |= {f"audit/{path.parent.name}": path for path in sorted(SHARED.glob("federation/*/supergraph.graphql"))}
    return {name: path for name, path in found.items() if name.removeprefix("audit/") not in BROKEN}


class Slow:
    """Answers after a while, each time another: parts end in any order."""

    def __init__(self, client: WorldClient, chooser: random.Random) -> None:
        self.client = client
        self.chooser = chooser

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        for _ in range(self.chooser.randrange(12)):
            await asyncio.sleep(0)
        assert "defer" not in request.operation
        return await self.client.execute(request)

    def subscribe(self, request: SubgraphRequest) -> Any:
        return self.client.subscribe(request)

    async def aclose(self) -> None:
        return


async def reference(world: World, document: str, variables: Mapping[str, Any]) -> Whole:
    """What graphql-core delivers."""

    def resolve(thing: Thing, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        return world.value(thing, info.field_name, arguments)

    root = world.graph.roots["query"]
    assert root is not None
    found: Any = experimental_execute_incrementally(
        world.schema,
        parse(document),
        Thing(root, 0),
        variable_values=dict(variables),
        field_resolver=resolve,
        type_resolver=lambda thing, *_: thing.type,
    )
    if asyncio.iscoroutine(found):
        found = await found
    whole = Whole()
    if not isinstance(found, ExperimentalIncrementalExecutionResults):
        whole.read(found.formatted)
        return whole
    whole.read(found.initial_result.formatted)
    async for payload in found.subsequent_results:
        whole.read(payload.formatted)
    return whole


def _pending(whole: Whole) -> list[str]:
    return sorted(repr((one["path"], one.get("label"))) for one in whole.initial.get("pending", ()))


@needs(SHARED, "random operations with @defer on the supergraphs of two corpora")
@pytest.mark.parametrize("name", _supergraphs())
async def test_delivers_as_the_reference_does(name: str) -> None:
    supergraph = Supergraph.from_sdl(_supergraphs()[name].read_text())
    world = World(supergraph)
    parted = 0
    for seed in SEEDS:
        source, variables = random_operation(supergraph.api_schema, seed)
        document = deferring(source, seed)
        try:
            operation = prepare(supergraph.api_schema, document, None, UNLIMITED)
        except RequestError:
            continue  # aliases that conflict
        truth = world.monolith(source, variables)
        if truth.errors:
            continue  # an interface without implementations
        try:
            plan = build_plan(supergraph, operation)
        except PlanningError:
            continue
        chooser = random.Random(seed)
        runtime = runtime_of(
            {n: Slow(client, chooser) for n, client in world.clients().items()}, executor=ExecutorKind.BOTH
        )
        whole, by_path = Whole(), WholeByPath()
        path_form = PathForm()
        payloads = 0
        async for payload in deliver(plan, operation, variables, runtime):
            payloads += 1
            if payload.result is not None and not payload.has_next:
                made = payload.result.to_json()
                whole.read(made)
                by_path.read(made)
                continue
            whole.read(json.loads(json.dumps(PendingForm().json(payload))))
            by_path.read(json.loads(json.dumps(path_form.json(payload))))
        where = f"seed {seed}: {document}\n{plan}"
        expected = await reference(world, document, variables)
        assert whole.ended, where
        assert not whole.errors, where
        assert unordered(whole.data) == unordered(truth.data), where
        assert unordered(by_path.data) == unordered(truth.data), where
        assert json.dumps(whole.initial["data"]) == json.dumps(expected.initial["data"]), where
        # What is announced later depends on what was delivered before; this doesn't.
        assert _pending(whole) == _pending(expected), where
        # All at once, by the same plan and by one without deferred parts.
        for other in (plan, build_plan(supergraph, operation, defer=False)):
            result = await execute(other, operation, variables, runtime)
            assert json.loads(result.to_bytes()) == {"data": truth.data}, where
        assert not isinstance(build_plan(supergraph, operation, defer=False).node, Defer)
        parted += payloads > 1
    print(f"{name}: {parted} of {len(SEEDS)} came in parts")
