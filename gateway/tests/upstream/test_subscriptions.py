"""Subscriptions at subgraphs: over events, parts, callbacks, shared sockets; equal ones made once, lost ones again."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
import uvicorn
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve

from botberi_gateway import errors
from botberi_gateway.config import (
    EngineConfig,
    GatewayConfig,
    HeadersIn,
    SubgraphConfig,
    SubgraphSocketConfig,
    SubgraphSubscriptionsConfig,
    SubscriptionProtocol,
)
from botberi_gateway.engine import Gateway, SubgraphSource
from botberi_gateway.errors import SubgraphError
from botberi_gateway.server.app import create_app
from botberi_gateway.server.run import bind, uvicorn_config
from botberi_gateway.upstream import HttpClient
from botberi_gateway.upstream.port import SubgraphRequest
from botberi_gateway.upstream.subscriptions.expected import CALLBACKS
from botberi_gateway.upstream.subscriptions.ways import Subscribing

REQUEST = SubgraphRequest("subscription { n }", kind="subscription", headers={"x-caller": "ada"})
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """What the subgraph got."""

    requests: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    open: int = 0


@asynccontextmanager
async def subgraph(answer: Answer) -> AsyncIterator[tuple[str, Seen]]:
    seen = Seen()

    async def handler(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen.requests.append((headers, await request.json()))
        seen.open += 1
        try:
            return await answer(request)
        finally:
            seen.open -= 1

    app = web.Application()
    app.router.add_post("/graphql", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/graphql", seen
    finally:
        await runner.cleanup()


def stream(content_type: str, *pieces: bytes, pause: float = 0.0, hang: bool = False, cut: bool = False) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause)
        if hang:
            await asyncio.sleep(60)
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return answer


def config_of(protocol: SubscriptionProtocol, **options: Any) -> SubgraphConfig:
    return SubgraphConfig(
        timeout_seconds=2,
        subscriptions=SubgraphSubscriptionsConfig(protocol=protocol, **options),
        websocket=SubgraphSocketConfig(max_message_bytes=2_000, max_queued_messages=4),
    )


SSE, MULTIPART = SubscriptionProtocol.SSE, SubscriptionProtocol.MULTIPART
EVENTS = "text/event-stream; charset=utf-8"
PARTS = 'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0'


async def results(client: HttpClient, request: SubgraphRequest = REQUEST) -> list[Any]:
    """Data of each answer (its errors where it has none); the code of the error that ends it."""
    got: list[Any] = []
    try:
        async with asyncio.timeout(10):
            async for answer in client.subscribe(request):
                got.append(answer.data if answer.data is not None else [e.get("message") for e in answer.errors])
    except SubgraphError as error:
        got.append(error.code)
    return got


def next_event(number: int) -> bytes:
    return f'event: next\ndata: {{"data":{{"n":{number}}}}}\n\n'.encode()


COMPLETE = b"event: complete\ndata:\n\n"
N = [{"n": 1}, {"n": 2}]


def part(text: str) -> bytes:
    return f"\r\n--graphql\r\ncontent-type: application/json\r\n\r\n{text}".encode()


def payload(number: int) -> bytes:
    return part(f'{{"payload":{{"data":{{"n":{number}}}}}}}')


END = b"\r\n--graphql--\r\n"
LOST, BAD = errors.SUBGRAPH_UNREACHABLE, errors.SUBGRAPH_INVALID_RESPONSE
whole_events = next_event(1) + b":\n\n" + next_event(2) + COMPLETE
whole_parts = payload(1) + part("{}") + payload(2) + END

#: Protocol, content type, pieces -> what comes.
STREAMS: dict[str, tuple[SubscriptionProtocol, str, list[bytes], list[Any]]] = {
    "events": (SSE, EVENTS, [whole_events], N),
    "events byte by byte": (SSE, EVENTS, [bytes([byte]) for byte in whole_events], N),
    "events with CR LF": (SSE, EVENTS, [whole_events.replace(b"\n", b"\r\n")], N),
    "events with CR": (SSE, EVENTS, [whole_events.replace(b"\n", b"\r")], N),
    "events with CR and LF apart": (
        SSE,
        EVENTS,
        [b"event: next\r", b'\ndata: {"data":{"n":1}}\r\n\r', b"\n", COMPLETE],
        N[:1],
    ),
    "data in several lines": (SSE, EVENTS, [b'event: next\ndata: {"data":\ndata: {"n":1}}\n\n', COMPLETE], N[:1]),
    "events without names end with the stream": (SSE, EVENTS, [b'data: {"data":{"n":1}}\n\n'], N[:1]),
    "events that end too early": (SSE, EVENTS, [next_event(1)], [N[0], LOST]),
    "event that is no JSON": (SSE, EVENTS, [b"event: next\ndata: {\n\n"], [BAD]),
    "event that is no response": (SSE, EVENTS, [b"event: next\ndata: []\n\n"], [BAD]),
    "event that is too long": (SSE, EVENTS, [next_event(1), b"data: " + b"x" * 3000], [N[0], BAD]),
    "event of too many lines": (SSE, EVENTS, [b"data: x\n" * 500], [BAD]),
    "events after the end": (SSE, EVENTS, [next_event(1), COMPLETE, next_event(2)], N[:1]),
    "errors as an event": (SSE, EVENTS, [b'event: next\ndata: {"errors":[{"message":"no"}]}\n\n', COMPLETE], [["no"]]),
    "parts": (MULTIPART, PARTS, [whole_parts], N),
    "parts byte by byte": (MULTIPART, PARTS, [bytes([byte]) for byte in whole_parts], N),
    "parts with a preamble": (MULTIPART, PARTS, [b"preamble", whole_parts], N),
    "parts without a line before the first": (MULTIPART, PARTS, [whole_parts[2:]], N),
    "parts with the boundary of old": (MULTIPART, "multipart/mixed", [whole_parts.replace(b"graphql", b"-")], N),
    "parts that end too early": (MULTIPART, PARTS, [payload(1) + b"\r\n--graphql\r\n"], [N[0], LOST]),
    "part of errors ends it": (
        MULTIPART,
        PARTS,
        [payload(1), part('{"payload":null,"errors":[{"message":"gone"}]}'), b"\r\n--graphql\r\n", payload(2)],
        [N[0], ["gone"]],
    ),
    "part of nothing ends it": (MULTIPART, PARTS, [payload(1), part('{"payload":null}') + END], N[:1]),
    "part that is no JSON": (MULTIPART, PARTS, [part("{") + END], [BAD]),
    "part that is too long": (MULTIPART, PARTS, [payload(1), part("x" * 3000)], [N[0], BAD]),
    "events where parts were asked for": (MULTIPART, EVENTS, [whole_events], N),
    "an answer with errors": (SSE, "application/json", [b'{"errors":[{"message":"refused"}]}'], [["refused"]]),
    "an answer with data": (SSE, "application/json", [b'{"data":{"n":1}}'], [BAD]),
    "a page": (SSE, "text/html", [b"<html>"], [BAD]),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_what_a_stream_gives(name: str) -> None:
    protocol, content_type, pieces, expected = STREAMS[name]
    async with subgraph(stream(content_type, *pieces)) as (url, seen):
        client = HttpClient("a", url, config_of(protocol))
        assert await results(client) == expected
        await client.aclose()
    ((headers, body),) = seen.requests
    assert body == {"query": "subscription { n }"}
    assert headers["x-caller"] == "ada"
    if protocol is SSE:
        assert headers["accept"] == "text/event-stream"  # npm's graphql-sse compares the whole header
    else:
        assert headers["accept"].startswith("multipart/mixed")


async def test_a_stream_that_says_it_has_no_content_encoding() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": EVENTS, "content-encoding": "none"})
        await response.prepare(request)
        await response.write(whole_events)
        return response

    async with subgraph(answer) as (url, _):
        client = HttpClient("a", url, config_of(SSE))
        assert await results(client) == N
        await client.aclose()


async def test_a_stream_that_is_silent_cut_or_refused() -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text="busy")

    for answer, config, expected in (
        (
            stream(EVENTS, next_event(1), hang=True),
            config_of(SSE, silence_timeout_seconds=0.2),
            [N[0], errors.SUBGRAPH_TIMEOUT],
        ),
        (stream(EVENTS, next_event(1), cut=True), config_of(SSE), [N[0], LOST]),
        (refuse, config_of(SSE), [errors.SUBGRAPH_HTTP_ERROR]),
    ):
        async with subgraph(answer) as (url, _):
            client = HttpClient("a", url, config)
            assert await results(client) == expected
            await client.aclose()
    client = HttpClient("a", "http://127.0.0.1:1/graphql", config_of(SSE))
    assert await results(client) == [LOST]
    await client.aclose()


@pytest.mark.parametrize("protocol", [SSE, MULTIPART])
async def test_leaving_ends_the_stream_at_the_subgraph(protocol: SubscriptionProtocol) -> None:
    pieces = (EVENTS, next_event(1)) if protocol is SSE else (PARTS, payload(1) + b"\r\n--graphql\r\n")
    async with subgraph(stream(*pieces, hang=True)) as (url, seen):  # type: ignore[arg-type]
        client = HttpClient("a", url, config_of(protocol))
        async with aclosing(client.subscribe(REQUEST)) as answers:  # type: ignore[type-var]
            assert (await anext(answers)).data == N[0]
            assert seen.open == 1
        await until(lambda: not seen.open)
        await client.aclose()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def turns(*answers: Answer) -> Answer:
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


async def down(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


AGAIN: dict[str, Any] = {"max_reconnects": 3, "first_backoff_seconds": 0.01}
INTERRUPTED = ["The connection to subgraph 'a' was lost; results may be missing."]


async def test_a_lost_subscription_is_begun_again_and_says_so() -> None:
    answers = turns(stream(EVENTS, next_event(1), cut=True), down, down, stream(EVENTS, next_event(2), COMPLETE))
    async with subgraph(answers) as (url, seen):
        client = HttpClient("a", url, config_of(SSE, **AGAIN))
        assert await results(client) == [N[0], INTERRUPTED, N[1]]
        assert len(seen.requests) == 4
        await client.aclose()


async def test_what_stays_lost_or_never_began_ends() -> None:
    for answers, expected, requests in (
        (turns(stream(EVENTS, next_event(1), cut=True), down), [N[0], INTERRUPTED, errors.SUBGRAPH_HTTP_ERROR], 4),
        (down, [errors.SUBGRAPH_HTTP_ERROR], 1),
    ):
        async with subgraph(answers) as (url, seen):
            client = HttpClient("a", url, config_of(SSE, **AGAIN))
            assert await results(client) == expected
            assert len(seen.requests) == requests
            await client.aclose()


def subscribing_of(client: HttpClient) -> Subscribing:
    assert client._subscribing is not None
    return client._subscribing


async def test_equal_subscriptions_are_made_once() -> None:
    async with subgraph(stream(EVENTS, next_event(1), next_event(2), COMPLETE, pause=0.2)) as (url, seen):
        client = HttpClient("a", url, config_of(SSE, share_equal=True))
        traced = replace(REQUEST, headers={**REQUEST.headers, "traceparent": "other"})
        other = replace(REQUEST, headers={"x-caller": "eve"})
        got = await asyncio.gather(results(client), results(client, traced), results(client, other))
        assert got == [N, N, N]
        assert len(seen.requests) == 2
        assert len(subscribing_of(client).fan_out) == 0
        assert await results(client) == N  # the next one begins by itself
        await client.aclose()


async def test_the_last_to_leave_ends_a_shared_subscription() -> None:
    async with subgraph(stream(EVENTS, next_event(1), hang=True)) as (url, seen):
        client = HttpClient("a", url, config_of(SSE, share_equal=True))
        first, second = client.subscribe(REQUEST), client.subscribe(REQUEST)
        assert [(await answer).data for answer in (anext(first),)] == N[:1]
        waiting = asyncio.create_task(anext(second))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        await first.aclose()  # type: ignore[attr-defined]
        assert seen.open == 1
        waiting.cancel()
        await asyncio.wait({waiting})
        await until(lambda: not seen.open)
        await client.aclose()


async def test_a_slow_one_of_those_who_share_is_ended() -> None:
    pieces = [next_event(number) for number in range(6)]
    async with subgraph(stream(EVENTS, *pieces, COMPLETE, pause=0.01)) as (url, _):
        client = HttpClient("a", url, config_of(SSE, share_equal=True, max_queued_results=3))
        slow = client.subscribe(REQUEST)
        first = asyncio.create_task(anext(slow))  # type: ignore[arg-type]
        quick = await results(client)
        assert quick == [{"n": number} for number in range(6)]
        assert (await first).data == {"n": 0}
        got = [(await anext(slow)).data["n"] for _ in range(3)]  # type: ignore[index]
        assert got == [1, 2, 3]
        with pytest.raises(SubgraphError) as caught:
            await anext(slow)
        assert caught.value.code == errors.SLOW_CONSUMER
        await client.aclose()


@dataclass
class Sockets:
    """A subgraph over WebSocket: counts sockets, and answers each subscription by its variables."""

    url: str = ""
    opened: int = 0
    open: int = 0
    inits: list[Any] = field(default_factory=list)
    handshakes: list[str | None] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    connections: list[ServerConnection] = field(default_factory=list)


@asynccontextmanager
async def sockets() -> AsyncIterator[Sockets]:
    state = Sockets()

    async def work(connection: ServerConnection, identifier: str, variables: dict[str, Any]) -> None:
        for number in range(variables.get("count", 1)):
            data = {"data": {"n": number, "who": variables.get("who")}}
            await connection.send(json.dumps({"id": identifier, "type": "next", "payload": data}))
            await asyncio.sleep(variables.get("pause", 0))
        if variables.get("hang"):
            return
        state.running.discard(identifier)
        await connection.send(json.dumps({"id": identifier, "type": "complete"}))

    async def handler(connection: ServerConnection) -> None:
        state.opened += 1
        state.open += 1
        state.connections.append(connection)
        assert connection.request is not None
        state.handshakes.append(connection.request.headers.get("x-caller"))
        tasks = set()
        try:
            async for text in connection:
                message = json.loads(text)
                match message["type"]:
                    case "connection_init":
                        state.inits.append(message.get("payload"))
                        await connection.send('{"type":"connection_ack"}')
                        await connection.send('{"type":"ping"}')
                    case "subscribe":
                        state.running.add(message["id"])
                        variables = message["payload"].get("variables", {})
                        tasks.add(asyncio.create_task(work(connection, message["id"], variables)))
                    case "complete":
                        state.running.discard(message["id"])
        finally:
            state.open -= 1
            for task in tasks:
                task.cancel()

    async with serve(handler, "127.0.0.1", 0, subprotocols=["graphql-transport-ws"]) as server:  # type: ignore[list-item]
        state.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/graphql"
        yield state


def ask(headers: dict[str, str] | None = None, **variables: Any) -> SubgraphRequest:
    return SubgraphRequest("subscription { n }", variables, kind="subscription", headers=headers or {"x-caller": "ada"})


def socket_client(state: Sockets, **options: Any) -> HttpClient:
    websocket = SubgraphSocketConfig(**{"max_subscriptions_per_socket": 10, "max_queued_messages": 4, **options})
    return HttpClient("a", state.url, SubgraphConfig(websocket=websocket))


async def test_subscriptions_with_equal_headers_share_a_socket() -> None:
    async with sockets() as state:
        client = socket_client(state)
        got = await asyncio.gather(*(results(client, ask(count=3, pause=0.05, who=number)) for number in range(5)))
        assert got == [[{"n": n, "who": number} for n in range(3)] for number in range(5)]
        assert state.opened == 1
        await until(lambda: not state.open)
        assert subscribing_of(client).sockets.shared_sockets == 0
        await client.aclose()


async def test_other_headers_and_more_than_fit_have_sockets_of_their_own() -> None:
    async with sockets() as state:
        client = socket_client(state, max_subscriptions_per_socket=2)
        requests = [ask(count=2, pause=0.1), *(ask({"x-caller": "eve"}, count=2, pause=0.1) for _ in range(3))]
        await asyncio.gather(*(results(client, request) for request in requests))
        assert state.opened == 3
        assert sorted(str(caller) for caller in state.handshakes) == ["ada", "eve", "eve"]
        await client.aclose()


async def test_one_leaves_and_the_others_go_on() -> None:
    async with sockets() as state:
        client = socket_client(state)
        staying, leaving = client.subscribe(ask(hang=True)), client.subscribe(ask(hang=True))
        for answers in (staying, leaving):
            await anext(answers)
        await leaving.aclose()  # type: ignore[attr-defined]
        await until(lambda: len(state.running) == 1)
        assert state.open == 1
        await staying.aclose()  # type: ignore[attr-defined]
        await until(lambda: not state.open)
        await client.aclose()


async def test_a_socket_that_is_lost_ends_all_of_its_subscriptions() -> None:
    async with sockets() as state:
        client = socket_client(state)
        tasks = [asyncio.create_task(results(client, ask(hang=True))) for _ in range(3)]
        await until(lambda: len(state.running) == 3)
        await asyncio.sleep(0.05)
        state.connections[0].transport.abort()
        assert await asyncio.gather(*tasks) == [[{"n": 0, "who": None}, LOST]] * 3
        assert await results(client, ask()) == [{"n": 0, "who": None}]
        assert state.opened == 2
        await client.aclose()


async def test_a_slow_subscription_on_a_shared_socket_is_ended() -> None:
    async with sockets() as state:
        client = socket_client(state)
        slow = client.subscribe(ask(count=50))
        await anext(slow)
        assert len(await results(client, ask(count=3, pause=0.1))) == 3
        with pytest.raises(SubgraphError) as caught:
            async for _ in slow:
                pass
        assert caught.value.code == errors.SLOW_CONSUMER
        await client.aclose()


async def test_a_shared_socket_that_cannot_be_opened() -> None:
    client = socket_client(Sockets("http://127.0.0.1:1/graphql"))
    assert await asyncio.gather(*(results(client, ask()) for _ in range(3))) == [[LOST]] * 3
    assert subscribing_of(client).sockets.shared_sockets == 0
    await client.aclose()


@pytest.mark.parametrize("per_socket", [1, 10])
@pytest.mark.parametrize(
    ("place", "handshake", "init"),
    [
        (HeadersIn.HANDSHAKE, "ada", None),
        (HeadersIn.INIT, None, {"x-caller": "ada"}),
        (HeadersIn.BOTH, "ada", {"x-caller": "ada"}),
    ],
)
async def test_headers_go_with_the_handshake_or_connection_init(
    place: HeadersIn, handshake: str | None, init: Any, per_socket: int
) -> None:
    async with sockets() as state:
        client = socket_client(state, headers_in=place, max_subscriptions_per_socket=per_socket)
        await results(client, ask())
        assert (state.handshakes, state.inits) == ([handshake], [init])
        await client.aclose()


LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3")'
SDL = f"{LINK} type Query {{ a: Int }} type Subscription {{ n: Int }}"


@dataclass
class CallbackSubgraph:
    """A subgraph that sends results to the address that it is given, by a script of messages."""

    messages: list[dict[str, Any]]
    checks: bool = True
    statuses: list[int] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        extension = (await request.json())["extensions"]["subscription"]
        if self.checks:
            async with aiohttp.ClientSession() as session:
                await self.send(session, extension, {"action": "check"})
        self.tasks.append(asyncio.create_task(self.follow(extension)))
        return web.json_response({"data": None})

    async def follow(self, extension: dict[str, Any]) -> None:
        await asyncio.sleep(0.05)
        async with aiohttp.ClientSession() as session:
            for message in self.messages:
                await self.send(session, extension, message)

    async def send(self, session: aiohttp.ClientSession, extension: dict[str, Any], message: dict[str, Any]) -> None:
        body = {
            "kind": "subscription",
            "id": extension["subscriptionId"],
            "verifier": extension["verifier"],
            **message,
        }
        async with session.post(extension["callbackUrl"], json=body) as response:
            assert response.headers["subscription-protocol"] == "callback"
            self.statuses.append(response.status)


def sends(number: int) -> dict[str, Any]:
    return {"action": "next", "payload": {"data": {"n": number}}}


FAULT = {"action": "complete", "errors": [{"message": "gone"}]}
#: The subgraph's messages -> what comes, statuses of the messages.
CALLS: dict[str, tuple[list[dict[str, Any]], list[Any], list[int]]] = {
    "results": ([sends(1), {"action": "check"}, sends(2), {"action": "complete"}], N, [204, 200, 204, 200, 202]),
    "errors at the end": ([sends(1), FAULT], [N[0], ["gone"]], [204, 200, 202]),
    "after the end": ([{"action": "complete"}, sends(1)], [], [204, 202, 404]),
    "another verifier": (
        [{**sends(1), "verifier": "x"}, sends(2), {"action": "complete"}],
        [N[1]],
        [204, 401, 200, 202],
    ),
    "another id": ([{**sends(1), "id": "x"}, {"action": "complete"}], [], [204, 400, 202]),
    "unknown action": ([{"action": "dance"}, {"action": "complete"}], [], [204, 400, 202]),
    "no response": ([{"action": "next", "payload": 7}], [BAD], [204, 400]),
    "too large": ([{**sends(1), "x": "x" * 3000}, {"action": "complete"}], [], [204, 413, 202]),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_subscription_by_callback(name: str) -> None:
    messages, expected, statuses = CALLS[name]
    script = CallbackSubgraph(messages)
    await by_callback(script, expected)
    assert script.statuses == statuses


async def by_callback(script: CallbackSubgraph, expected: list[Any], heartbeat: float = 5.0) -> None:
    async with AsyncExitStack() as stack:
        url, _ = await stack.enter_async_context(subgraph(script.answer))
        config = config_of(
            SubscriptionProtocol.CALLBACK, callback_url="http://unset/callback", heartbeat_interval_seconds=heartbeat
        )
        gateway_config = GatewayConfig(engine=EngineConfig(subgraph=config))
        runner = await stack.enter_async_context(served(url, gateway_config))
        here = replace(config, subscriptions=replace(config.subscriptions, callback_url=f"{runner}/callback"))
        client = HttpClient("a", url, here)
        assert await results(client) == expected
        await asyncio.gather(*script.tasks)
        assert not CALLBACKS._expected
        await client.aclose()


@asynccontextmanager
async def served(url: str, config: GatewayConfig) -> AsyncIterator[str]:
    """The gateway's app in this loop, as callbacks are of the process; its address."""
    gateway = Gateway.from_subgraphs({"a": SubgraphSource(SDL, url=url)}, config=config.engine)
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn_config(create_app(gateway, config), config, "warning"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def test_a_subgraph_that_does_not_check_or_falls_silent() -> None:
    await by_callback(CallbackSubgraph([], checks=False), [BAD])
    await by_callback(CallbackSubgraph([sends(1)]), [N[0], errors.SUBGRAPH_TIMEOUT], heartbeat=0.1)


def test_callbacks_need_an_address_with_a_path() -> None:
    config = GatewayConfig(engine=EngineConfig(subgraph=config_of(SubscriptionProtocol.CALLBACK)))
    gateway = Gateway.from_subgraphs({"a": SubgraphSource(SDL, url="http://a.test")})
    with pytest.raises(ValueError, match="callback_url"):
        create_app(gateway, config)
