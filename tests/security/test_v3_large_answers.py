"""V3, in the gateway: reading the largest answer of a subgraph doesn't stop the loop for other requests."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor import ExecutorKind
from botberi_gateway.upstream import AsgiClient, HttpClient
from botberi_gateway.upstream.answer import MAX_CONTAINERS, read_answer
from botberi_gateway.upstream.port import LONG_BODY, SubgraphClient, SubgraphResponse, takes_long
from gateway.tests.upstream.hostile import answers, hostile, response

NUMBER = "0.12345678901234567890123"
SDL = "scalar JSON type Query { values: JSON }"


def numbers(size: int) -> bytes:
    """An answer of about so many bytes, all of them numbers that no double holds."""
    return b'{"data":{"values":[' + b",".join([NUMBER.encode()] * (size // len(NUMBER))) + b"]}}"


@asynccontextmanager
async def in_this_process(body: bytes) -> AsyncIterator[SubgraphClient]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    yield AsgiClient("s", app)


@asynccontextmanager
async def over_http(body: bytes) -> AsyncIterator[SubgraphClient]:
    async with hostile(answers(response(body))) as server:
        client = HttpClient("s", server.url)
        yield client
        await client.aclose()


WAYS = {"in this process": in_this_process, "over HTTP": over_http}


@pytest.fixture
def exact_in(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads in which long numbers are read from now on."""
    threads: list[str] = []
    from botberi_gateway import codec

    real: Callable[[str], Any] = codec._exact_float

    def spy(text: str) -> Any:
        threads.append(threading.current_thread().name)
        return real(text)

    monkeypatch.setattr(codec, "_exact_float", spy)
    return threads


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("executor", [ExecutorKind.COMPILED, ExecutorKind.INTERPRETED])
@pytest.mark.parametrize("size", [LONG_BODY // 2, LONG_BODY * 2])
async def test_long_numbers_of_a_long_answer_are_read_in_a_thread(
    way: str, executor: ExecutorKind, size: int, exact_in: list[str]
) -> None:
    body = numbers(size)
    async with WAYS[way](body) as client:
        source = SubgraphSource(SDL, client=client)
        served = Gateway.from_subgraphs({"s": source}, executor=executor)
        result = await served.execute(GraphQLRequest("{ values }"))
        assert result.to_bytes() == body
    is_main = {name == threading.main_thread().name for name in exact_in}
    assert is_main == {size < LONG_BODY}


@pytest.mark.parametrize("value", ["[]", "{}", '{"a":{}}', "[[[]]]"])
def test_an_answer_has_no_more_objects_and_lists_than_are_read_in_a_moment(value: str) -> None:
    count = MAX_CONTAINERS // (value.count("[") + value.count("{"))
    text = ",".join([value] * count)
    with pytest.raises(SubgraphError, match="more than 400000 objects and lists"):
        read_answer("s", 200, "application/json", f'{{"data":{{"x":[{text}]}}}}'.encode() + b" " * 1_048_576)
    fewer = text[: len(text) - 4 * (len(value) + 1)]
    answer = read_answer("s", 200, "application/json", f'{{"data":{{"x":[{fewer}]}}}}'.encode() + b" " * 1_048_576)
    assert answer.data is not None
    assert len(answer.data["x"]) == count - 4


def test_ordinary_numbers_take_no_thread() -> None:
    assert takes_long(numbers(LONG_BODY * 2))
    assert not takes_long(numbers(LONG_BODY // 2))
    assert not takes_long(b"[" + b"1.5,123456," * 100_000 + b"0]")


async def test_an_answer_is_read_in_a_thread_without_stopping_others() -> None:
    body = numbers(4_000_000)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.ensure_future(tick())
    answer: Awaitable[SubgraphResponse] = SubgraphResponse({}, raw=body).exactly()
    found = await answer
    ticking.cancel()
    assert found.data is not None
    assert str(random.choice(found.data["values"])) == NUMBER
    assert ticks >= 5  # it takes 0.15 s
