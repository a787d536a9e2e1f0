"""What holds for subscriptions on every way: WebSocket, server-sent events, multipart.

Ids, resuming, limits, the last error.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect

from botberi_gateway.config import GatewayConfig, TransportConfig
from botberi_gateway.server.app import create_app
from gateway.tests.support.callers import CallerHeader, Tokens
from gateway.tests.support.event_graph import Graph
from gateway.tests.support.live_server import LiveServer, live

CONFIG = GatewayConfig(transport=TransportConfig(max_subscriptions=4, max_subscriptions_per_caller=2))
LINES = "subscription($id: ID!, $after: String) { lines(id: $id, after: $after) { number } }"
STATE = "subscription($id: ID!, $after: ID) { jobUpdated(id: $id, after: $after) { version } }"
WAYS = ("socket", "events", "parts")


@dataclass
class Served:
    """A graph behind a live server."""

    graph: Graph
    server: LiveServer

    def set(self, **state: Any) -> None:
        """Change what the subgraph says."""
        for name, value in state.items():
            setattr(self.graph.jobs, name, value)

    def tell(self, *arguments: Any, **attributes: Any) -> None:
        """Send an event in the server's loop."""
        self.server.loop.call_soon_threadsafe(lambda: self.graph.tell(*arguments, **attributes))

    @asynccontextmanager
    async def follow(
        self, way: str, query: str, variables: Mapping[str, Any], *, after: str | None = None, caller: str | None = None
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Results in one form: `data`, `errors`, `id`; the iterator ends with the subscription."""
        body = {"query": query, "variables": variables}
        headers = {"authorization": f"Bearer {caller}"} if caller else {}
        if way == "socket":
            body |= {"extensions": {"lastEventId": after}} if after is not None else {}
            async with connect(
                self.server.socket_url, subprotocols=["graphql-transport-ws"], additional_headers=headers
            ) as socket:
                await socket.send(json.dumps({"type": "connection_init"}))
                await socket.recv()
                await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": body}))
                yield _of_socket(socket)
            return
        headers["accept"] = "text/event-stream" if way == "events" else "multipart/mixed;subscriptionSpec=1.0"
        headers |= {"last-event-id": after} if after is not None else {}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.server.url}/graphql", json=body, headers=headers) as response,
        ):
            yield _of_events(response) if way == "events" else _of_parts(response)


async def _of_socket(socket: Any) -> AsyncIterator[dict[str, Any]]:
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "complete":
            return
        if message["type"] == "error":
            yield {"errors": message["payload"]}
            return
        payload = message["payload"]
        yield {**payload, "id": payload.get("extensions", {}).get("eventId")}


async def _of_events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    if response.content_type != "text/event-stream":
        yield await response.json()
        return
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif fields.pop("event", None) == "next":
            yield {**json.loads(fields["data"]), "id": fields.pop("id", None)}


async def _of_parts(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    if response.content_type != "multipart/mixed":
        yield await response.json()
        return
    async for line in response.content:
        if line.startswith(b'{"payload"'):
            payload = json.loads(line)["payload"] or json.loads(line)
            yield {**payload, "id": payload.get("extensions", {}).get("eventId")}


@pytest.fixture
def served() -> Iterator[Served]:
    made: list[Graph] = []

    def make() -> Any:
        made.append(Graph())
        return create_app(made[0].gateway, CONFIG, authenticator=Tokens(), subgraph_headers=CallerHeader())

    with live(make, CONFIG) as server:
        yield Served(made[0], server)


async def take(results: AsyncIterator[dict[str, Any]], count: int = 1) -> list[dict[str, Any]]:
    return [await asyncio.wait_for(anext(results), 5) for _ in range(count)]


async def test_events_carry_ids_and_a_client_resumes_after_any_of_them(served: Served) -> None:
    served.set(lines=list("abcdef"), done=True)
    for number, way in enumerate((*WAYS, *WAYS)):
        async with served.follow(way, LINES, {"id": "7"}, after=str(number)) as results:
            found = [(result["data"]["lines"]["number"], result["id"]) async for result in results]
        assert found == [(n, str(n)) for n in range(number + 1, 7)], way


async def test_states_resume_after_a_version(served: Served) -> None:
    for way in WAYS:
        served.set(version=5, done=False)
        async with served.follow(way, STATE, {"id": "7"}) as results:
            (present,) = await take(results)
            assert (present["data"], present["id"]) == ({"jobUpdated": {"version": 5}}, "5")
        async with served.follow(way, STATE, {"id": "7", "after": "4"}, after="5") as results:
            waiting = asyncio.ensure_future(take(results))
            await asyncio.sleep(0.1)
            served.set(version=6, done=True)
            served.tell()
            assert [r["data"] for r in await waiting] == [{"jobUpdated": {"version": 6}}], way
            assert [result async for result in results] == [], way


async def test_what_cannot_be_resumed_says_so(served: Served) -> None:
    for way in WAYS:
        async with served.follow(way, STATE, {"id": "7"}, after="none of ours") as results:
            found = [error["extensions"]["code"] async for result in results for error in result["errors"]]
        assert found == ["BAD_USER_INPUT"], way


@pytest.mark.parametrize("wrong", [1.5, True, ["1"], {}])
async def test_an_id_of_another_type_is_refused(served: Served, wrong: Any) -> None:
    body = {"query": STATE, "variables": {"id": "7"}, "extensions": {"lastEventId": wrong}}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.server.url}/graphql", json=body, headers={"accept": "text/event-stream"}) as response,
    ):
        assert response.status == 400


async def code_of(served: Served, way: str, caller: str | None) -> str | None:
    """Of the first result's first error; None where there is data."""
    async with served.follow(way, STATE, {"id": "7"}, caller=caller) as results:
        (first,) = await take(results)
        return first["errors"][0]["extensions"]["code"] if first.get("errors") else None


@pytest.mark.parametrize("way", WAYS)
async def test_limits_are_for_all_ways_together(served: Served, way: str) -> None:
    async with (
        served.follow("socket", STATE, {"id": "7"}, caller="ada") as one,
        served.follow("events", STATE, {"id": "7"}, caller="ada") as other,
    ):
        await take(one)
        await take(other)
        assert await code_of(served, way, "ada") == "LIMIT_EXCEEDED"
        assert await code_of(served, way, "bob") is None
        async with (
            served.follow("parts", STATE, {"id": "7"}) as third,
            served.follow("parts", STATE, {"id": "7"}, caller="bob") as fourth,
        ):
            await take(third)
            await take(fourth)
            assert await code_of(served, way, "carol") == "OVERLOADED"
    for _ in range(100):
        if not served.server.run(_count(served)):
            break
        await asyncio.sleep(0.05)
    assert await code_of(served, way, "ada") is None, "what ended counts no more"


async def _count(served: Served) -> int:
    return len(served.graph.gateway._subscriptions)


async def test_equal_subscriptions_share_over_all_ways(served: Served) -> None:
    async with (
        served.follow("socket", STATE, {"id": "7"}, caller="ada") as one,
        served.follow("parts", STATE, {"id": "7"}, caller="ada") as other,
    ):
        await take(one)
        await take(other)
        before = len(served.graph.jobs.requests)
        served.set(version=2)
        served.tell()
        for results in (one, other):
            assert [r["data"] for r in await take(results)] == [{"jobUpdated": {"version": 2}}]
        assert len(served.graph.jobs.requests) == before + 1
