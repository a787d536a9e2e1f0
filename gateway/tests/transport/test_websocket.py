"""graphql-transport-ws against a live server: the protocol as a table, then what only time shows."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.tests.transport.conftest import Setup

INIT = {"type": "connection_init"}
ACK = {"type": "connection_ack"}
TIMEOUT_SECONDS = 30.0


def subscribe(query: str, identifier: Any = "1", **rest: Any) -> dict[str, Any]:
    return {"id": identifier, "type": "subscribe", "payload": {"query": query, **rest}}


class Client:
    """Sends messages (objects as JSON, other text and bytes as they are) and reads them."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, *messages: Any) -> None:
        for message in messages:
            await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def read(self) -> Any:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return json.loads(await self.connection.recv())

    async def begin(self, payload: dict[str, Any] | None = None) -> None:
        await self.send({**INIT, "payload": payload} if payload is not None else INIT)
        assert await self.read() == ACK

    async def closed(self) -> tuple[int, str]:
        """The close frame; messages before it are skipped."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            async for _ in _until_closed(self.connection):
                pass
        return self.connection.close_code or 0, self.connection.close_reason or ""


async def _until_closed(connection: ClientConnection) -> AsyncIterator[Any]:
    try:
        while True:
            yield await connection.recv()
    except ConnectionClosed:
        return


@asynccontextmanager
async def opened(setup: Setup, **options: Any) -> AsyncIterator[Client]:
    options.setdefault("subprotocols", ["graphql-transport-ws"])
    async with connect(setup.server.socket_url, **options) as connection:
        yield Client(connection)


CLOSINGS: list[tuple[str, list[Any], int]] = [
    ("not JSON", ["{"], 4400),
    ("binary", [b"{}"], 4400),
    ("a list", ["[]"], 4400),
    ("a number", ["1"], 4400),
    ("no type", [{}], 4400),
    ("unknown type", [{"type": "start"}], 4400),
    ("legacy stop", [INIT, {"type": "stop", "id": "1"}], 4400),
    ("server's message", [INIT, {"type": "connection_ack"}], 4400),
    ("type is a number", [{"type": 1}], 4400),
    ("init payload is a list", [{"type": "connection_init", "payload": []}], 4400),
    ("ping payload is a string", [{"type": "ping", "payload": "x"}], 4400),
    ("lone surrogate", ['{"type":"ping","payload":{"a":"\\ud800"}}'], 4400),
    ("subscribe before init", [subscribe("{ hello }")], 4401),
    ("subscribe before the acknowledgement", [{**INIT, "payload": {"token": "slow"}}, subscribe("{ hello }")], 4401),
    ("two inits", [INIT, INIT], 4429),
    ("too big", [{"type": "ping", "payload": {"x": "y" * 11_000}}], 1009),
    ("never an init", [], 4408),
    ("pings are no init", [{"type": "ping"}], 4408),
    ("revoked", [{**INIT, "payload": {"token": "mallory"}}], 4403),
]


@pytest.mark.parametrize(("messages", "code"), [c[1:] for c in CLOSINGS], ids=[c[0] for c in CLOSINGS])
async def test_a_client_that_breaks_the_protocol_gets_a_code(setup: Setup, messages: list[Any], code: int) -> None:
    setup.tokens.revoked.add("mallory")
    async with opened(setup) as client:
        await client.send(*messages)
        assert (await client.closed())[0] == code


AFTER_INIT: list[tuple[str, list[Any], int]] = [
    ("second init", [INIT], 4429),
    ("subscribe without id", [{"type": "subscribe", "payload": {"query": "{ hello }"}}], 4400),
    ("empty id", [subscribe("{ hello }", "")], 4400),
    ("id is a number", [subscribe("{ hello }", 1)], 4400),
    ("id too long", [subscribe("{ hello }", "x" * 200)], 4400),
    ("subscribe without payload", [{"id": "1", "type": "subscribe"}], 4400),
    ("query is missing", [{"id": "1", "type": "subscribe", "payload": {}}], 4400),
    ("query is a number", [{"id": "1", "type": "subscribe", "payload": {"query": 1}}], 4400),
    ("variables is a list", [subscribe("{ hello }", variables=[])], 4400),
    ("operationName is a number", [subscribe("{ hello }", operationName=1)], 4400),
    ("complete without id", [{"type": "complete"}], 4400),
    ("same long id twice", [subscribe("subscription { forever }", "ü" * 128)] * 2, 4409),
    ("same id twice", [subscribe("subscription { forever }"), subscribe("subscription { forever }")], 4409),
]


@pytest.mark.parametrize(("messages", "code"), [c[1:] for c in AFTER_INIT], ids=[c[0] for c in AFTER_INIT])
async def test_and_after_the_acknowledgement_too(setup: Setup, messages: list[Any], code: int) -> None:
    async with opened(setup) as client:
        await client.begin()
        await client.send(*messages)
        assert (await client.closed())[0] == code


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["graphql-transport-ws-2"]])
async def test_only_the_one_subprotocol_is_spoken(setup: Setup, offered: list[str] | None) -> None:
    async with opened(setup, subprotocols=offered) as client:
        assert await client.closed() == (4406, "Subprotocol not acceptable")


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        (None, True),
        ("https://app.example", True),
        ("https://evil.example", False),
        ("https://app.example.evil.example", False),
        ("null", False),
    ],
)
async def test_pages_of_other_sites_get_no_socket(
    setup: Setup, origin: str | None, good: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if good:
        async with opened(setup, origin=origin) as client:
            await client.begin()
    else:
        with pytest.raises(InvalidStatus) as refused:
            async with opened(setup, origin=origin):
                pass
        assert refused.value.response.status_code == 403
        assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_the_own_origin_is_welcome(setup: Setup) -> None:
    async with opened(setup, origin=setup.server.url) as client:
        await client.begin()


async def test_pings_are_answered_at_any_time(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.send({"type": "ping", "payload": {"a": 1}})
        assert await client.read() == {"type": "pong", "payload": {"a": 1}}
        await client.begin()
        await client.send({"type": "pong"}, {"type": "ping"})
        assert await client.read() == {"type": "pong"}


async def test_queries_mutations_and_subscriptions_on_one_socket(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin()
        await client.send(subscribe("query($n: String!) { hello(name: $n) }", "q", variables={"n": "you"}))
        assert await client.read() == {"id": "q", "type": "next", "payload": {"data": {"hello": "hello you"}}}
        assert await client.read() == {"id": "q", "type": "complete"}
        await client.send(subscribe('mutation { rename(name: "Bo") { name } }', "q"))
        assert (await client.read())["payload"] == {"data": {"rename": {"name": "Bo"}}}
        assert await client.read() == {"id": "q", "type": "complete"}
        await client.send(subscribe("subscription { users(times: 2) { name reviews { body } } }", "q"))
        for _ in range(2):
            assert await client.read() == {
                "id": "q",
                "type": "next",
                "payload": {"data": {"users": {"name": "Bo", "reviews": [{"body": "fine"}]}}},
            }
        assert await client.read() == {"id": "q", "type": "complete"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { hello(times: $n) }", "BAD_USER_INPUT"),
    ],
)
async def test_a_document_that_cannot_run_ends_the_operation_not_the_socket(
    setup: Setup, query: str, code: str
) -> None:
    async with opened(setup) as client:
        await client.begin()
        await client.send(subscribe(query))
        message = await client.read()
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"]["code"] == code
        await client.send(subscribe("{ hello }"))
        assert (await client.read())["type"] == "next"


async def test_what_a_subgraph_says_in_an_error_is_not_our_exception(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin()
        await client.send(subscribe("subscription { failing }"))
        assert (await client.read())["payload"] == {"data": {"failing": 1}}
        last = json.dumps(await client.read())
        assert "Traceback" not in last
        await client.send({"type": "ping"})
        while (message := await client.read())["type"] != "pong":
            assert message["id"] == "1"


async def test_complete_ends_the_subscription_and_frees_its_id(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin()
        await client.send(subscribe("subscription { forever }"))
        assert (await client.read())["type"] == "next"
        assert setup.world.streams == 1
        await client.send({"id": "1", "type": "complete"}, subscribe("{ hello }", "1"))
        assert (await client.read())["payload"] == {"data": {"hello": "hello world"}}
        assert (await client.read())["type"] == "complete"
        await no_streams(setup)
        await client.send({"id": "unknown", "type": "complete"}, {"type": "ping"})
        assert (await client.read())["type"] == "pong"


async def test_a_socket_that_goes_ends_its_subscriptions(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin()
        await client.send(subscribe("subscription { forever }", "a"), subscribe("subscription { forever }", "b"))
        assert {(await client.read())["id"], (await client.read())["id"]} == {"a", "b"}
        assert setup.world.streams == 2
        client.connection.transport.abort()
    await no_streams(setup)


async def test_a_mutation_runs_to_its_end_when_the_socket_goes(setup: Setup) -> None:
    before = setup.world.renames
    async with opened(setup) as client:
        await client.begin()
        await client.send(subscribe('mutation { slowRename(name: "Ann", seconds: 0.3) { name } }'))
        await until(lambda: setup.world.running > 0)
    await until(lambda: setup.world.renames == before + 1)


async def test_operations_of_one_socket_are_counted(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin()
        for identifier in "abc":
            await client.send(subscribe("subscription { forever }", identifier))
            assert (await client.read())["id"] == identifier
        await client.send(subscribe("subscription { forever }", "d"))
        message = await client.read()
        assert (message["id"], message["type"], message["payload"][0]["extensions"]["code"]) == (
            "d",
            "error",
            "LIMIT_EXCEEDED",
        )
    await no_streams(setup)


@pytest.mark.parametrize(
    ("headers", "payload", "seen"),
    [
        ({}, None, "anonymous"),
        ({"authorization": "Bearer ada"}, None, "ada"),
        ({"cookie": "session=ada"}, None, "ada"),
        ({}, {"Authorization": "Bearer bob"}, "bob"),
        ({}, {"authorization": "Bearer bob"}, "bob"),
        ({}, {"token": "bob"}, "bob"),
        ({"cookie": "session=ada"}, {"token": "bob"}, "bob"),
        ({}, {"x-caller": "root", "token": "bob"}, "bob"),
    ],
)
async def test_who_calls_is_said_in_the_handshake_or_the_payload(
    setup: Setup, headers: dict[str, str], payload: dict[str, Any] | None, seen: str
) -> None:
    async with opened(setup, additional_headers=headers) as client:
        await client.begin(payload)
        await client.send(subscribe("{ whoami }"))
        assert (await client.read())["payload"] == {"data": {"whoami": f"{seen}@accounts"}}


async def test_payload_headers_are_forwarded_by_the_same_list(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin({"traceparent": "00-7", "x-odd": "1"})
        await client.send(subscribe('{ a: header(name: "traceparent") b: header(name: "x-odd") }'))
        assert (await client.read())["payload"] == {"data": {"a": "00-7", "b": None}}


async def test_a_header_cannot_be_smuggled_through_the_payload(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin({"traceparent": "1\r\nx-caller: root", "authorization": "Bearer a\nb"})
        await client.send(subscribe('{ whoami header(name: "traceparent") }'))
        assert (await client.read())["payload"] == {"data": {"whoami": "anonymous@accounts", "header": None}}


async def test_revoked_credentials_close_the_socket(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin({"token": "carol"})
        await client.send(subscribe("subscription { forever }"))
        assert (await client.read())["type"] == "next"
        setup.tokens.revoked.add("carol")
        assert await client.closed() == (4403, "Forbidden")
    await no_streams(setup)


async def test_no_event_is_delivered_after_revocation(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin({"token": "dave"})
        await client.send(subscribe("subscription { count(to: 100, every: 0.2) }"))
        assert (await client.read())["payload"] == {"data": {"count": 1}}
        setup.tokens.revoked.add("dave")
        with pytest.raises(ConnectionClosed):
            await client.read()
        assert client.connection.close_code == 4403


async def test_a_verifier_that_is_down_is_given_some_time(setup: Setup) -> None:
    async with opened(setup) as client:
        await client.begin({"token": "erin"})
        setup.tokens.down = True
        try:
            assert (await client.closed())[0] == 1013
        finally:
            setup.tokens.down = False


async def test_a_client_that_never_reads_is_cut_off(setup: Setup) -> None:
    async with opened(setup, max_queue=1) as client:
        await client.begin()
        await client.send(subscribe("query($n: Int!) { big(size: $n) }", "q", variables={"n": 30_000_000}))
        client.connection.transport.pause_reading()
        assert sockets(setup) == 1

        async def ping() -> None:
            while True:
                await client.send({"type": "ping", "payload": {"x": "y" * 5000}})
                await asyncio.sleep(0.05)  # few enough a second

        # They go on until the answer has come, which is what the client doesn't read.
        pings = asyncio.create_task(ping())
        await until(lambda: sockets(setup) == 0)
        pings.cancel()
        await asyncio.wait((pings,))
        client.connection.transport.abort()


def sockets(setup: Setup) -> float:
    body = setup.request("GET", "/metrics").body.decode()
    return float(next(line for line in body.splitlines() if line.startswith("gateway_websockets_open ")).split()[1])


async def no_streams(setup: Setup) -> None:
    await until(lambda: not setup.world.streams)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.01)


async def test_random_frames_end_in_a_defined_code(setup: Setup) -> None:
    seed = random.randrange(10**9)
    print("seed", seed)
    chance = random.Random(seed)
    kinds = ["connection_init", "ping", "pong", "subscribe", "complete", "next", "error", "x", None, 1]
    values: list[Any] = [None, {}, [], "a", 1, {"query": "{ hello }"}, {"query": 1}, {"query": "{", "variables": {}}]
    for _ in range(60):
        async with opened(setup) as client:
            try:
                for _step in range(30):
                    frame: Any = {
                        "type": chance.choice(kinds),
                        "id": chance.choice(["1", "2", "", 1]),
                        "payload": chance.choice(values),
                    }
                    if chance.random() < 0.05:
                        frame = bytes(chance.randrange(256) for _byte in range(20))
                    elif chance.random() < 0.05:
                        frame = json.dumps(frame)[: chance.randrange(1, 20)]
                    await client.send(frame)
                await client.send("end")
            except ConnectionClosed:
                pass
            code, _reason = await client.closed()
            assert code in (4400, 4401, 4409, 4429), code
    async with opened(setup) as client:
        await client.begin()
