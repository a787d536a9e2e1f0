"""V11: a stream of distinct operations, as clients send that write literals into their queries, leaves nothing behind.

Before, each operation that left the cache was cycles of references, which waited for a collection that hardly came: 57
to 838 MB in 86,000.
"""

import asyncio
import gc
import re
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from botberi_gateway.config import EngineConfig
from botberi_gateway.engine import Gateway, GraphQLRequest
from botberi_gateway.errors import RequestError
from botberi_gateway.executor.compiled import variants
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from gateway.tests.support.toy_graph import SUPERGRAPH

#: What makes the operations of a kind distinct is `N`.
KINDS = {
    "an alias": "{ me { id n_N: name } }",
    "a literal": '{ hello(name: "N") }',
    "entities of another subgraph": "{ reviews { body b_N: body author { id name } } }",
    "a fragment": "query Q_N { me { ...F } } fragment F on User { id n_N: name }",
    "conditions": "query Q($a: Boolean = true) { me { id n_N: name @include(if: $a) x: name @skip(if: $a) } }",
    "deferred fields": '{ me { id ... @defer(label: "l_N") { reviews { body } } } }',
    "deferred by a variable": "query Q($a: Boolean) { me { id n_N: name ... @defer(if: $a) { reviews { body } } } }",
    "introspection": '{ __type(name: "User") { n_N: name fields { name } } }',
    "a mutation": 'mutation { rename(name: "N") { name } }',
}
REFUSED = {
    "a syntax error": "{ me { id n_N: }",
    "an unknown field": "{ me { id n_N } }",
    "too deep": "{ me { id n_N: name " + "reviews { author { " * 20 + "id" + "} }" * 20 + "} }",
    "a wrong variable": "query Q_N($a: Boolean!) { me { id @skip(if: $a) } }",
}


def data_of(document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Data for what a document of the planner selects; graphql-core would leave cycles of its own."""
    tokens = re.findall(r'"[^"]*"|\.\.\.|[{}():]|@?\$?\w+', re.sub(r"\((?:[^()]|\([^()]*\))*\)", "", document))
    return selections_of(tokens, tokens.index("{") + 1, variables)[0]


def selections_of(tokens: list[str], index: int, variables: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    data: dict[str, Any] = {}
    while tokens[index] != "}":
        if tokens[index] == "...":
            below, index = selections_of(tokens, tokens.index("{", index) + 1, variables)
            data |= below
            continue
        key, index = tokens[index], index + 1
        if tokens[index] == ":":
            index += 2
        while tokens[index].startswith("@"):
            index += 1
        data[key] = "User" if key == "__typename" else "v"
        if tokens[index] == "{":
            below, index = selections_of(tokens, index + 1, variables)
            count = len(variables["representations"]) if key == "_entities" else 1
            data[key] = [below] * count if key in ("_entities", "reviews") else below
    return data, index + 1


class Mirror:
    """A subgraph that has whatever it is asked for."""

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        variables = dict(request.variables)
        variables["representations"] = next((v for v in variables.values() if isinstance(v, list)), [])
        return SubgraphResponse(data_of(request.operation, variables))

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        yield await self.execute(request)

    async def aclose(self) -> None: ...


def mirrored(**limits: Any) -> Gateway:
    return Gateway(
        Supergraph.from_sdl(SUPERGRAPH), {"accounts": Mirror(), "reviews": Mirror()}, config=EngineConfig(**limits)
    )


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def send(gateway: Gateway, query: str) -> None:
    if "@defer" in query:
        async for payload in gateway.deliver(await gateway.prepare(query), {"a": True}):
            del payload
    else:
        result = await gateway.execute(GraphQLRequest(query, variables={"a": True} if "$a" in query else {}))
        assert result.errors == ()


def garbage() -> Counter[str]:
    """What only the collector frees, by type. It isn't kept."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return Counter(f"{type(item).__module__}.{type(item).__qualname__}" for item in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.collect()


#: What graphql-core's printer and executor leave of an operation that is planned, or of introspection that is executed:
#: young objects, which the collector's first look takes.
GRAPHQL_CORE = 120


def assert_nothing_of_ours(found: Counter[str], operations: int) -> None:
    ours = {
        name: count
        for name, count in found.items()
        if name.startswith(("botberi_gateway.", "gateway.tests.", "tests."))
    }
    assert not ours
    assert not {"builtins.frame", "builtins.traceback", "graphql.language.ast.DocumentNode"} & set(found)
    assert sum(found.values()) <= operations * GRAPHQL_CORE, found.most_common(5)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_operation_that_leaves_the_cache_is_freed_without_the_garbage_collector(kind: str) -> None:
    gateway = mirrored(max_cached_operations=5)
    for number in range(10):
        await send(gateway, KINDS[kind].replace("N", f"w{number}"))
    with no_collector():
        for number in range(40):
            await send(gateway, KINDS[kind].replace("N", f"x{number}"))
        await asyncio.sleep(0)
        assert gateway.cached_operations == 5
        assert_nothing_of_ours(garbage(), 40)
    await gateway.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_leaves_nothing_for_the_garbage_collector(kind: str) -> None:
    gateway = mirrored()
    query = KINDS[kind].replace("N", "x")
    for _ in range(30):  # from the twentieth on there may be a typed program, which a thread compiles
        await send(gateway, query)
    await asyncio.sleep(0.3)
    with no_collector():
        await send(gateway, query)
        gc.collect()
        for _ in range(30):
            await send(gateway, query)
        await asyncio.sleep(0)
        found = garbage()
        assert_nothing_of_ours(found, 30)
        assert kind == "introspection" or sum(found.values()) == 0
    await gateway.aclose()


@pytest.mark.parametrize("kind", REFUSED)
async def test_an_operation_that_is_refused_leaves_no_frames(kind: str) -> None:
    gateway = mirrored()
    await _is_refused(gateway, REFUSED[kind])
    with no_collector():
        for number in range(40):
            query = REFUSED[kind].replace("N", f"x{number}")
            assert await _is_refused(gateway, query)
        assert_nothing_of_ours(garbage(), 40)
    await gateway.aclose()


async def _is_refused(gateway: Gateway, query: str) -> bool:
    try:
        await gateway.execute(GraphQLRequest(query))
    except RequestError:
        return True
    return False


async def test_the_cache_is_bounded_by_bytes_and_the_estimate_is_near_the_truth() -> None:
    def wide(number: int) -> str:
        return "{ me { " + " ".join(f"a{number}_{index}: name" for index in range(150)) + " } }"

    def narrow(number: int) -> str:
        return KINDS["an alias"].replace("N", str(number))

    for make in (narrow, wide):
        for runs in (0, 2):  # with a program, and without
            ratio = await _estimate_over_truth(make, max_interpreted_runs=runs)
            assert 0.5 < ratio < 2, (make.__name__, runs, ratio)


async def _estimate_over_truth(make: Callable[[int], str], **config: int) -> float:
    gateway = mirrored(**config)
    for number in range(20):
        await gateway.prepare(make(number))
    gc.collect()
    tracemalloc.start(1)
    try:
        before = tracemalloc.get_traced_memory()[0]
        operations = [await gateway.prepare(make(number)) for number in range(100, 160)]
        gc.collect()
        truth = (tracemalloc.get_traced_memory()[0] - before) / len(operations)
    finally:
        tracemalloc.stop()
    await gateway.aclose()
    return sum(operation.estimate_bytes() for operation in operations) / len(operations) / truth


async def test_large_operations_push_one_another_out() -> None:
    gateway = mirrored(max_cache_bytes=1_000_000)
    for number in range(40):
        fields = " ".join(f"a{number}_{index}: name" for index in range(150))
        for _ in range(2):
            await gateway.prepare(f"{{ me {{ {fields} }} }}")
    assert 2 <= gateway.cached_operations <= 12
    await gateway.aclose()


async def test_programs_for_sets_of_conditions_have_one_room_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 sets of each of 20 operations were 1,280 programs; once the room is full an operation has its first one."""
    monkeypatch.setattr(variants, "MAX_LINES_IN_PROCESS", variants._room.lines + 400)
    gateway = mirrored()
    names = "abcdef"
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: name @include(if: ${name})" for name in names)
    before = variants._room.lines
    for number in range(20):
        query = f"query Q{number}({declared}) {{ me {{ id {fields} }} }}"
        for chosen in range(64):
            values = {name: bool(chosen >> bit & 1) for bit, name in enumerate(names)}
            result = await gateway.execute(GraphQLRequest(query, variables=values))
            assert result.errors == ()
    assert variants._room.lines - before < 400 + 20 * 60
    await gateway.aclose()
    del gateway, result
    gc.collect()
    assert variants._room.lines <= before
