"""V3, in the gateway: budgets while an operation runs, in every executor. An excess is an error without data.

Entities are fetched once and shown at every place, so that few bytes of answers can be gigabytes of JSON.
"""

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest
from graphql import build_schema
from pydantic import ValidationError

from botberi.settings import GatewaySettings
from botberi.wiring.supergraph import engine_config, make_gateway
from botberi_gateway.config import EngineConfig, ExecutionBudget, OperationLimits
from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from botberi_gateway.errors import RESPONSE_TOO_LARGE, RequestError
from botberi_gateway.executor import ExecutionResult, ExecutorKind, PendingForm, first_payload_bytes, payload_bytes
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.upstream.answer import read_answer
from botberi_gateway.upstream.bounded import TooLong, encode_all, encode_bounded, encode_within
from botberi_gateway.upstream.port import Answer, SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.schema import SchemaClient
from botberi_gateway.upstream.sharing import sharing
from gateway.tests.support.toy_graph import federated_sdl

POSTS = """
type Query { posts: [Post!]! }
type Subscription { changed: Post }
type Post @key(fields: "id") { id: ID! body: String author: User }
type User @key(fields: "id", resolvable: false) { id: ID! }
"""
USERS = """
type User @key(fields: "id") { id: ID! name: String posts: [Post!]! }
type Post @key(fields: "id", resolvable: false) { id: ID! }
"""
EXECUTORS = [ExecutorKind.INTERPRETED, ExecutorKind.COMPILED, ExecutorKind.BOTH]


class Subgraph:
    """Gives every object all fields; each list has `length` items, each text `size` characters."""

    def __init__(self, length: int, size: int = 5, users: int = 10) -> None:
        self.length, self.size, self.users = length, size, users
        self.asked = 0

    def data(self, operation: str, representations: list[Any]) -> dict[str, Any]:
        posts = [{"__typename": "Post", "id": f"p{n}"} for n in range(self.length)]
        if "_entities" not in operation:
            return {"posts": [self.post(post["id"]) for post in posts]}
        if representations and representations[0]["__typename"] == "Post":
            return {"_entities": [self.post(one["id"]) for one in representations]}
        user = {"__typename": "User", "name": "n" * self.size, "posts": posts}
        selected = set(re.findall(r"\w+", operation[operation.index("...") :]))
        entities = [user | {"id": one["id"]} for one in representations]
        return {"_entities": [{key: one[key] for key in one if key in selected} for one in entities]}

    def post(self, key: str) -> dict[str, Any]:
        author = {"__typename": "User", "id": f"u{int(key[1:]) % self.users}"}
        return {"__typename": "Post", "id": key, "body": "b" * self.size, "author": author}

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        self.asked += 1
        representations = next((v for v in request.variables.values() if isinstance(v, list)), [])
        body = orjson.dumps({"data": self.data(request.operation, representations)})
        if request.spending is not None:
            request.spending.take_bytes(len(body))
        return read_answer("s", 200, "application/json", body)

    def start(self, body: bytes, kind: str, headers: Mapping[str, str], timeout: float) -> Answer:
        """As our own connections answer."""
        self.asked += 1
        asked = orjson.loads(body)
        representations = next((v for v in asked.get("variables", {}).values() if isinstance(v, list)), [])
        text = orjson.dumps({"data": self.data(asked["query"], representations)})
        future = Answer()
        future.read = future.over = future.spending = None

        def answer() -> None:
            if future.done():
                return
            try:
                if future.spending is not None:
                    future.spending.take_bytes(len(text))
                future.set_result(read_answer("s", 200, "application/json", text, rounded=True, read=future.read))
            except Exception as error:
                future.set_exception(error)

        asyncio.get_running_loop().call_soon(answer)
        return future

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        for number in range(3):
            yield SubgraphResponse({"changed": self.post(f"p{number}")})

    async def aclose(self) -> None: ...


def gateway(subgraph: Subgraph, executor: ExecutorKind, **budget: int) -> Gateway:
    sources = {name: SubgraphSource(federated_sdl(sdl), client=subgraph) for name, sdl in (("a", POSTS), ("b", USERS))}
    # The estimate before anything is asked (`COST_LIMIT_EXCEEDED`) is another wall: here it is out of the way.
    limits = EngineConfig(budget=ExecutionBudget(**budget), operation=UNLIMITED)
    return Gateway.from_subgraphs(sources, config=limits, executor=executor)


def nested(levels: int) -> str:
    query = "{ body author { id name } }"
    for _ in range(levels):
        query = f"{{ body author {{ name posts {query} }} }}"
    return f"{{ posts {query} }}"


async def answer(gateway: Gateway, query: str) -> tuple[ExecutionResult, dict[str, Any]]:
    result = await gateway.execute(GraphQLRequest(query))
    return result, orjson.loads(result.to_bytes())


def assert_refused(body: dict[str, Any], what: str) -> None:
    assert body["data"] is None
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "RESPONSE_TOO_LARGE"
    assert what in error["message"]


OVER = {
    "bytes of answers": ({"max_answer_bytes": 20_000}, Subgraph(30, size=1_000), nested(1), "bytes of subgraphs"),
    "entities": ({"max_entities": 50}, Subgraph(80, users=80), nested(0), "50 entities"),
    "fields of one list": ({"max_fields": 2_000}, Subgraph(900), nested(0), "2000 fields"),
    "fields of lists in lists": ({"max_fields": 2_000}, Subgraph(16), nested(2), "2000 fields"),
    "bytes of a text at many places": (
        {"max_response_bytes": 200_000},
        Subgraph(40, size=500),
        nested(1),
        "200000 bytes",
    ),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("over", OVER)
async def test_an_operation_over_its_budget_is_an_error_without_data(over: str, executor: ExecutorKind) -> None:
    budget, subgraph, query, what = OVER[over]
    served = gateway(subgraph, executor, **budget)
    for _ in range(22 if executor is ExecutorKind.COMPILED else 2):  # the twentieth has a typed program
        _, body = await answer(served, query)
        if over == "fields of lists in lists" and body["data"] is not None:
            # What an executor makes once for all places it doesn't make, nor count, again: then the bytes are the
            # bound.
            continue
        assert_refused(body, what)
        await asyncio.sleep(0.002)
    await served.aclose()


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_what_fits_is_answered_whole(executor: ExecutorKind) -> None:
    served = gateway(Subgraph(12), executor)
    for _ in range(25 if executor is ExecutorKind.COMPILED else 2):
        _, body = await answer(served, nested(2))
        assert "errors" not in body
        assert len(body["data"]["posts"][11]["author"]["posts"][11]["author"]["posts"]) == 12
        await asyncio.sleep(0.002)
    await served.aclose()


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_entities_in_entities_multiply_until_the_bound_and_no_further(executor: ExecutorKind) -> None:
    """30 posts of 10 users, 7 levels: 22 billion places."""
    served = gateway(Subgraph(30), executor, max_fields=20_000, max_response_bytes=200_000)
    for _ in range(3):
        _, body = await answer(served, nested(6))
        assert_refused(body, "")
    await served.aclose()


async def test_typed_programs_are_bounded_too() -> None:
    served = gateway(Subgraph(100), ExecutorKind.COMPILED, max_response_bytes=2_000)
    for _ in range(400):
        _, body = await answer(served, nested(0))
        assert_refused(body, "2000 bytes")
        if served.execution_statistics.typed > 3:
            break
        await asyncio.sleep(0.01)
    assert served.execution_statistics.typed > 3
    await served.aclose()


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_nothing_is_kept_of_what_was_refused(executor: ExecutorKind) -> None:
    served = gateway(Subgraph(60, size=1_000), executor, max_answer_bytes=100_000)
    await answer(served, nested(1))
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(5):
        _, body = await answer(served, nested(1))
        assert_refused(body, "bytes")
    await asyncio.sleep(0)
    del body
    gc.collect()
    assert len(gc.get_objects()) - before < 500
    await served.aclose()


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_deferred_parts_have_the_operations_budget(executor: ExecutorKind) -> None:
    served = gateway(Subgraph(40, size=1_000, users=40), executor, max_answer_bytes=60_000)
    query = "{ posts { body ... @defer { author { name } } } }"
    payloads = served.deliver(await served.prepare(query), {})
    first = await anext(payloads)
    assert first.has_next
    with pytest.raises(ResponseTooLarge):  # transports end the delivery with this error
        await anext(payloads)
    await served.aclose()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("as_part", [False, True])
async def test_payloads_have_the_bound_of_responses(executor: ExecutorKind, as_part: bool) -> None:
    served = gateway(Subgraph(40, size=500, users=40), executor, max_response_bytes=10_000)
    form = PendingForm()
    for query in ("{ posts { body ... @defer { author { name } } } }", "{ posts { body author { name } } }"):
        payloads = served.deliver(await served.prepare(query), {})
        first, body = first_payload_bytes(form, await anext(payloads), as_part=as_part)
        assert not first.has_next
        refusal = orjson.loads(body)
        assert_refused(refusal, "10000 bytes")
        assert refusal.get("hasNext") == (False if as_part else None)
        await payloads.aclose()
    payloads = served.deliver(await served.prepare("{ posts { id ... @defer { author { name } } } }"), {})
    first, body = first_payload_bytes(form, await anext(payloads), as_part=as_part)
    assert first.has_next
    assert len(orjson.loads(body)["data"]["posts"]) == 40
    with pytest.raises(ResponseTooLarge, match="10000 bytes"):
        payload_bytes(form, await anext(payloads))
    await payloads.aclose()
    await served.aclose()


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_answers_of_a_schema_in_this_process_count(executor: ExecutorKind) -> None:
    schema = build_schema("type Query { text: String }")
    client = SchemaClient("s", schema, root_value={"text": "x" * 50_000})
    source = SubgraphSource("type Query { text: String }", client=client)
    for size, is_refused in ((40_000, True), (60_000, False)):
        limits = EngineConfig(budget=ExecutionBudget(max_answer_bytes=size))
        served = Gateway.from_subgraphs({"s": source}, config=limits, executor=executor)
        _, body = await answer(served, "{ text }")
        if is_refused:
            assert_refused(body, "40000 bytes of subgraphs")
        else:
            assert len(body["data"]["text"]) == 50_000


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_answers_that_several_operations_share_count_for_each(executor: ExecutorKind) -> None:
    joined: list[str] = []
    subgraph = Subgraph(40, size=1_000)
    served = gateway(subgraph, executor, max_answer_bytes=50_000)
    served.wrap_clients(lambda name, client: sharing(name, client, joined.append))
    query = "{ posts { body } }"
    for _, body in await asyncio.gather(*(answer(served, query) for _ in range(3))):
        assert len(body["data"]["posts"]) == 40
    asked = subgraph.asked
    small = gateway(subgraph, executor, max_answer_bytes=30_000)
    small.wrap_clients(lambda name, client: sharing(name, client, joined.append))
    for _, body in await asyncio.gather(*(answer(small, query) for _ in range(5))):
        assert_refused(body, "30000 bytes of subgraphs")
    assert joined
    assert subgraph.asked < asked + 5
    await small.aclose()


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_a_subscription_ends_with_the_error_of_the_event_that_was_too_much(executor: ExecutorKind) -> None:
    query = "subscription { changed { author { posts { author { name } } } } }"
    events = [result async for result in await _subscribed(gateway(Subgraph(40, users=50), executor), query)]
    assert len(events) == 3  # the budget is each event's, not the subscription's
    assert not any(result.errors for result in events)
    served = gateway(Subgraph(40, users=50), executor, max_entities=30)
    (refusal,) = [result async for result in await _subscribed(served, query)]
    assert_refused(orjson.loads(refusal.to_bytes()), "30 entities")


async def _subscribed(served: Gateway, query: str) -> AsyncIterator[ExecutionResult]:
    return await served.subscribe(GraphQLRequest(query))


async def test_errors_without_end_are_one_error() -> None:
    class Wrong(Subgraph):
        def post(self, key: str) -> dict[str, Any]:
            return {"id": key, "body": 7, "author": None}

    served = gateway(Wrong(15_000), ExecutorKind.COMPILED)
    _, body = await answer(served, "{ posts { id body } }")
    assert_refused(body, "places for its errors")
    await served.aclose()


def test_a_text_that_grows_by_sharing_is_cut_off_where_the_bound_is() -> None:
    shared: Any = {"leaf": "x" * 100}
    for _ in range(40):  # 2 ** 40 leaves
        shared = {"a": shared, "b": shared}
    before = time.thread_time()
    for limit in (1_000, 200_000, 2_000_000):
        with pytest.raises(TooLong):
            encode_bounded(shared, limit)
        with pytest.raises(TooLong):
            encode_within({"number": 10**400, "shared": shared}, limit)
    assert time.thread_time() - before < 1


def test_the_buffer_is_whole_again_after_every_text() -> None:
    for size in (1, 1_000, 131_000, 140_000, 5, 131_060, 900_000):
        for expected in (0, size, 1_000_000):
            assert encode_bounded("x" * size, 1_000_000, expected) == orjson.dumps("x" * size)
        assert encode_all("x" * size) == orjson.dumps("x" * size)
    with pytest.raises(TooLong):
        encode_bounded("x" * 999_999, 1_000_000, expected=1_000_000)
    with pytest.raises(TypeError):
        encode_bounded({"a": object()}, 1_000_000)
    assert encode_bounded({"a": 1}, 1_000_000) == b'{"a":1}'


def test_a_short_response_is_measured_when_it_is_written() -> None:
    result = ExecutionResult({"a": "x" * 1_000}, max_bytes=500, is_short=True)
    assert orjson.loads(result.to_bytes())["errors"][0]["extensions"]["code"] == RESPONSE_TOO_LARGE
    assert result.data is None
    assert ExecutionResult({"a": "x"}, max_bytes=500, is_short=True).to_bytes() == b'{"data":{"a":"x"}}'


SETTINGS = ("max_answer_bytes", "max_entities", "max_fields", "max_response_bytes")


def test_the_platforms_bounds_are_the_gateways_unless_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = engine_config(GatewaySettings())
    assert limits.budget == ExecutionBudget()
    usual = OperationLimits()
    assert limits.operation.max_cost == usual.max_cost
    assert limits.operation.max_root_mutations == usual.max_root_mutations
    for number, name in enumerate((*SETTINGS, "max_cost", "max_mutations"), 1):
        monkeypatch.setenv(f"BOTBERI_{name.upper()}", str(number))
    limits = engine_config(GatewaySettings())
    assert limits.budget == ExecutionBudget(1, 2, 3, 4)
    assert (limits.operation.max_cost, limits.operation.max_root_mutations) == (5, 6)
    monkeypatch.setenv("BOTBERI_MAX_FIELDS", "0")
    with pytest.raises(ValidationError):
        GatewaySettings()


@pytest.mark.parametrize("over", [over for over in OVER if "lists in lists" not in over])
async def test_the_platforms_settings_bound_an_operation(over: str, monkeypatch: pytest.MonkeyPatch) -> None:
    budget, subgraph, query, what = OVER[over]
    for name, value in budget.items():
        monkeypatch.setenv(f"BOTBERI_{name.upper()}", str(value))
    sources = {name: SubgraphSource(federated_sdl(sdl), client=subgraph) for name, sdl in (("a", POSTS), ("b", USERS))}
    served = make_gateway(sources, None, engine_config(GatewaySettings()))
    _, body = await answer(served, query)
    assert_refused(body, what)
    await served.aclose()


async def test_the_platforms_settings_bound_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"a": SubgraphSource(federated_sdl(POSTS), client=Subgraph(1))}
    await make_gateway(sources, None, engine_config(GatewaySettings())).prepare("{ posts { body } }")
    monkeypatch.setenv("BOTBERI_MAX_COST", "10")
    with pytest.raises(RequestError, match="estimated at"):
        await make_gateway(sources, None, engine_config(GatewaySettings())).prepare("{ posts { body } }")
