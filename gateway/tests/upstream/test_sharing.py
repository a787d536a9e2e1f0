"""Equal queries under way are one request, while callers come and go."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from botberi_gateway import errors
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream import AsgiClient, HttpClient, SubgraphRequest
from botberi_gateway.upstream.sharing import SharingClient, sharing
from gateway.tests.upstream.hostile import Connection, Hostile, answers, hostile, listens, response

BODY = b'{"query":"{ a }"}'


async def slow(connection: Connection) -> None:
    await asyncio.sleep(0.05)
    await connection.send(response({"data": {"body": connection.body.decode()}}))


@asynccontextmanager
async def client_to(script: Any) -> AsyncIterator[tuple[SharingClient, Hostile, list[str]]]:
    saved: list[str] = []
    async with hostile(script) as server:
        client = SharingClient("test", HttpClient("test", server.url), saved.append)
        yield client, server, saved
        await client.aclose()
        assert not client._running


async def test_equal_queries_are_one_request() -> None:
    async with client_to(slow) as (client, server, saved):
        found = await asyncio.gather(*(client.start(BODY, "query", {"x-a": "1"}, 5.0) for _ in range(20)))
        assert len(server.requests) == 1
        assert all(answer is found[0] for answer in found)
        assert saved == ["test"] * 19
        await client.execute(SubgraphRequest("{ a }", headers={"x-a": "1"}))
        assert len(server.requests) == 2, "only what runs at the same time"


Request = tuple[bytes, Any, Mapping[str, str]]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ((BODY, "query", {}), (BODY + b" ", "query", {}), False),
        ((BODY, "query", {"authorization": "a"}), (BODY, "query", {"authorization": "b"}), False),
        ((BODY, "query", {"authorization": "a"}), (BODY, "query", {}), False),
        ((BODY, "mutation", {}), (BODY, "mutation", {}), False),
        ((BODY, "query", {}), (BODY, "mutation", {}), False),
        ((BODY, "query", {"a": "1", "b": "2"}), (BODY, "query", {"b": "2", "a": "1"}), True),
        ((BODY, "query", {"x-request-id": "1"}), (BODY, "query", {"x-request-id": "2", "traceparent": "x"}), True),
    ],
)
async def test_what_counts_as_equal(one: Request, other: Request, shared: bool) -> None:
    async with client_to(slow) as (client, server, _):
        await asyncio.gather(client.start(*one, 5.0), client.start(*other, 5.0))
        assert len(server.requests) == (1 if shared else 2)


async def test_a_caller_that_leaves_affects_no_other() -> None:
    async with client_to(slow) as (client, server, _):
        calls = [client.start(BODY, "query", {}, 5.0) for _ in range(4)]
        await asyncio.sleep(0.01)
        calls[0].cancel()
        calls[2].cancel()
        assert (await calls[1]).data == (await calls[3]).data == {"body": BODY.decode()}
        assert len(server.requests) == 1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  the server's side has no event for it
            await asyncio.sleep(0.005)


async def test_when_all_are_gone_the_request_is_cancelled() -> None:
    async with client_to(listens) as (client, server, _):
        calls = [client.start(BODY, "query", {}, 5.0) for _ in range(3)]
        await until(lambda: len(server.requests) == 1)
        for call in calls:
            call.cancel()
        await until(lambda: not server.open)
        late = client.start(BODY, "query", {}, 5.0)
        await until(lambda: len(server.requests) == 2)
        late.cancel()
        await until(lambda: not server.open)


async def test_a_caller_that_comes_in_the_moment_that_all_go_is_served() -> None:
    async with client_to(slow) as (client, server, _):
        calls = [client.start(BODY, "query", {}, 5.0) for _ in range(3)]
        for call in calls:
            call.cancel()
        assert (await client.start(BODY, "query", {}, 5.0)).data == {"body": BODY.decode()}
        assert len(server.requests) == 1


async def test_an_error_is_everybodys_own() -> None:
    async with client_to(answers(response("oops", status="500 Oops", content_type="text/plain"))) as (client, _, _):
        found = await asyncio.gather(*(client.start(BODY, "query", {}, 5.0) for _ in range(3)), return_exceptions=True)
        assert [(e.code, e.status) for e in found if isinstance(e, SubgraphError)] == [
            (errors.SUBGRAPH_HTTP_ERROR, 500)
        ] * 3
        assert len({id(error) for error in found}) == 3


async def test_a_caller_with_less_time_waits_no_longer() -> None:
    async with client_to(slow) as (client, server, _):
        patient = client.start(BODY, "query", {}, 5.0)
        with pytest.raises(SubgraphError) as caught:
            await client.start(BODY, "query", {}, 0.01)
        assert caught.value.code == errors.SUBGRAPH_TIMEOUT
        assert (await patient).data is not None
        assert len(server.requests) == 1


async def test_comings_and_goings_at_random() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)

    async def script(connection: Connection) -> None:
        await asyncio.sleep(chance.random() * 0.01)
        await connection.send(response({"data": {"body": connection.body.decode()}}))

    async def one(client: SharingClient) -> None:
        await asyncio.sleep(chance.random() * 0.05)
        body = b'{"query":"{ a%d }"}' % chance.randrange(3)
        call = client.start(body, "query", {}, 5.0)
        if chance.random() < 0.4:
            await asyncio.sleep(chance.random() * 0.01)
            call.cancel()
        try:
            assert (await call).data == {"body": body.decode()}, seed
        except asyncio.CancelledError:
            assert call.cancelled()

    async with client_to(script) as (client, server, _):
        await asyncio.gather(*(one(client) for _ in range(300)))
        assert len(server.requests) < 300


async def test_a_client_in_this_process_stays_as_it_is() -> None:
    client = AsgiClient("test", lambda *_: None)
    assert sharing("test", client, lambda _: None) is client
