"""A `__typename` within a key or `@requires` is in the representation, in every executor, as the object's own type."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway.executor import ExecutorKind
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.planner import build_plan
from botberi_gateway.upstream import SubgraphClient, SubgraphRequest, SubgraphResponse
from lab.fuzzing.answering import Answering, runtime
from lab.fuzzing.folder import operations, read_case
from lab.fuzzing.pair import Arena
from lab.fuzzing.world import Facts

CASES = Path(__file__).parents[1] / "cases"


@dataclass
class Recorder:
    """A client that keeps the representations of every request."""

    client: SubgraphClient
    sent: list[Any] = field(default_factory=list)

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        for name, value in request.variables.items():
            if "representations" in name:
                self.sent += value
        return await self.client.execute(request)

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        return self.client.subscribe(request)

    async def aclose(self) -> None:
        """Nothing is held."""


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


@pytest.mark.parametrize("executor", [ExecutorKind.COMPILED, ExecutorKind.INTERPRETED])
@pytest.mark.parametrize("name", ["typename_within_requires", "typename_within_keys"])
async def test_nested_objects_say_their_type(name: str, executor: ExecutorKind) -> None:
    nested = 0
    for operation in operations(CASES / name):
        case, _ = read_case(CASES / name, operation)
        arena = Arena(case.graph)
        facts = Facts(arena.world, case.trouble)
        arena._begin(facts)
        clients = {subgraph: Recorder(client) for subgraph, client in arena.clients.items()}
        prepared = prepare(arena.supergraph.api_schema, case.document)
        answering = Answering(build_plan(arena.supergraph, prepared), prepared, coerce_variables(prepared, {}))
        async for _ in answering(runtime(clients, executor)):
            pass
        for recorder in clients.values():
            for representation in recorder.sent:
                below = [inner for value in representation.values() for inner in objects(value)]
                assert all(inner.get("__typename") in arena.world.schema.type_map for inner in below), representation
                nested += len(below)
    assert nested > 2
