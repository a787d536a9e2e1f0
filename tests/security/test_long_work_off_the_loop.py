"""V3 before an operation runs: work that any client can make long (variables, programs) is done in a thread."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import botberi_gateway.engine.gateway
from botberi_gateway.config import EngineConfig
from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from botberi_gateway.errors import RequestError
from botberi_gateway.executor.compiled import parts, program
from botberi_gateway.operation import has_many_values
from botberi_gateway.operation.variables import MANY_VALUES
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from gateway.tests.support.local_gateway import LINK, ask, local_gateway

SDL = """
input Item { n: Int! below: [Item!] }
type Query { sum(items: [Item!]!): Int fails: Int user: User }
type Subscription { ticks(items: [Item!]): Int }
type User { id: ID! name: String friend: User }
"""
ROOT = {"sum": 7, "user": {"id": "1", "name": "a", "friend": {"id": "2", "name": "b", "friend": None}}}
SUM = "query ($items: [Item!]!) { sum(items: $items) }"
MANY: dict[str, Any] = {"items": [{"n": number} for number in range(MANY_VALUES)]}
WRONG: dict[str, Any] = {"items": [{"n": "hunter2"} for _ in range(MANY_VALUES)]}


def threads_of(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[str]:
    """The names of the threads in which a function is called from now on."""
    called: list[str] = []
    real: Callable[..., Any] = getattr(module, name)

    def spy(*args: Any, **options: Any) -> Any:
        called.append(threading.current_thread().name)
        return real(*args, **options)

    monkeypatch.setattr(module, name, spy)
    return called


async def test_many_variables_are_coerced_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    served = local_gateway(SDL, ROOT)
    threads = threads_of(monkeypatch, botberi_gateway.engine.gateway, "coerce_variables")
    assert (await ask(served, SUM, MANY))["data"] == {"sum": 7}
    assert (await ask(served, SUM, {"items": [{"n": 1}]}))["data"] == {"sum": 7}
    assert [name.startswith("gateway-plan") for name in threads] == [True, False]


async def by_execute(served: Gateway) -> None:
    await ask(served, SUM, WRONG)


async def by_deliver(served: Gateway) -> None:
    await anext(served.deliver(await served.prepare(SUM), WRONG))


async def by_subscribe(served: Gateway) -> None:
    query = "subscription ($items: [Item!]) { ticks(items: $items) }"
    await anext(aiter(await served.subscribe(GraphQLRequest(query, variables=WRONG))))


@pytest.mark.parametrize("way", [by_execute, by_deliver, by_subscribe])
async def test_problems_of_many_variables_are_reported_as_of_few(way: Callable[[Gateway], Awaitable[None]]) -> None:
    with pytest.raises(RequestError) as refused:
        await way(local_gateway(SDL, ROOT))
    assert len(refused.value.errors) == 21
    assert refused.value.errors[0].message == (
        "Variable '$items' has invalid value at [0].n: Int cannot represent non-integer value."
    )


@pytest.mark.parametrize(
    ("variables", "many"),
    [
        ({}, False),
        ({"a": 1, "b": "x" * 1_000_000}, False),
        ({"a": [1] * MANY_VALUES}, False),
        ({"a": [1] * (MANY_VALUES + 1)}, True),
        ({"a": [[[1]] * 100] * 100}, True),
        ({"a": {"b": {str(number): 1 for number in range(MANY_VALUES + 1)}}}, True),
        (MANY, True),
    ],
)
def test_how_many_is_many(variables: dict[str, Any], many: bool) -> None:
    assert has_many_values(variables) is many


CONDITIONS = "query ($a: Boolean!, $b: Boolean!) { user { id name @include(if: $a) friend @skip(if: $b) { id } } }"
SETS = [{"a": a, "b": b} for a in (False, True) for b in (False, True)]


def answers(variables: dict[str, Any]) -> dict[str, Any]:
    user: dict[str, Any] = {"id": "1"}
    if variables["a"]:
        user["name"] = "a"
    if not variables["b"]:
        user["friend"] = {"id": "2"}
    return {"data": {"user": user}}


async def test_programs_for_other_conditions_are_compiled_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    served = local_gateway(SDL, ROOT, max_interpreted_runs=0)
    threads = threads_of(monkeypatch, program, "_write")
    for variables in SETS * 3:
        assert await ask(served, CONDITIONS, variables) == answers(variables)
    assert len(threads) == 4
    assert all(name.startswith("gateway-plan") for name in threads)


async def test_programs_of_deferred_parts_are_compiled_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    served = local_gateway(SDL, ROOT, max_interpreted_runs=0)
    threads = threads_of(monkeypatch, parts, "lay_out_parts")
    query = "query ($a: Boolean!) { user { id ... @defer(if: $a) { name } } }"
    for _ in range(3):
        for on in (True, False):
            prepared = await served.prepare(query)
            async for _payload in served.deliver(prepared, {"a": on}):
                pass
    assert threads
    assert all(name.startswith("gateway-plan") for name in threads)


async def test_equal_conditions_at_the_same_time_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    served = local_gateway(SDL, ROOT, max_interpreted_runs=0)
    await served.prepare(CONDITIONS)
    threads = threads_of(monkeypatch, program, "_write")
    given = await asyncio.gather(*(ask(served, CONDITIONS, SETS[0]) for _ in range(20)))
    assert all(one == answers(SETS[0]) for one in given)
    assert len(threads) == 1


class Odd:
    """A subgraph that answers null where none may be, and says nothing of it."""

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient`."""
        return SubgraphResponse({"user": {"id": None}, "fails": 1})

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient`."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """See `SubgraphClient`."""


@pytest.mark.parametrize("long", [True, False])
async def test_a_long_program_that_knows_paths_is_compiled_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, long: bool
) -> None:
    compiled_at_once = EngineConfig(max_interpreted_runs=0)
    served = Gateway.from_subgraphs({"only": SubgraphSource(LINK + SDL, client=Odd())}, config=compiled_at_once)
    monkeypatch.setattr(program, "LONG", 0 if long else 10_000)
    threads = threads_of(monkeypatch, program, "Careful")
    given = await asyncio.gather(*(ask(served, "{ user { id } fails }") for _ in range(10)))
    assert all(one["data"] == {"user": None, "fails": 1} and len(one["errors"]) == 1 for one in given)
    assert len(threads) == 1
    assert (threads[0] == "MainThread") is not long
