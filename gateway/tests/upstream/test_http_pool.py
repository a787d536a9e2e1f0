"""Our own HTTP/1.1 connections: kept, bounded, given up at the right moment, never handed to the wrong call."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from botberi_gateway import errors
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.http import HttpClient
from botberi_gateway.upstream.http_pool import Pool
from botberi_gateway.upstream.port import SubgraphRequest
from gateway.tests.upstream.hostile import Connection, Hostile, Script, answers, hostile, listens, response

pytestmark = pytest.mark.usefixtures("both_loops")

GOOD = {"data": {"a": 1}}
EVIL = {"data": {"a": "somebody else's"}}
BODY = b'{"query":"{ a }"}'


@asynccontextmanager
async def pool_to(script: Script, **options: Any) -> AsyncIterator[tuple[Pool, Hostile]]:
    """A pool and what it asks; nothing may be left of it afterwards."""
    async with hostile(script) as server:
        pool = Pool("test", server.url, SubgraphConfig(**options))
        yield pool, server
        await pool.aclose()
        assert (pool.open_connections, pool.waiting_calls) == (0, 0)
        await until(lambda: not server.open)


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  the server's side has no event for it
            await asyncio.sleep(0.002)


async def ask(pool: Pool, kind: Any = "query", timeout: float = 5.0, body: bytes = BODY) -> Any:  # noqa: ASYNC109
    return (await pool.start(body, kind, {}, timeout)).data


def twice(pause: float | None) -> Script:
    """Each request is answered, and then answered once more without a request; None: in the same packet."""

    async def script(connection: Connection) -> None:
        good, evil = response(GOOD), response(EVIL)
        if pause is None:
            await connection.send(good + evil)
        else:
            await connection.send(good)
            await asyncio.sleep(pause)
            await connection.send(evil)

    return script


@pytest.mark.parametrize("kind", ["query", "mutation"])
@pytest.mark.parametrize("pause", [None, 0.0])
async def test_a_second_answer_is_never_the_next_calls(pause: float | None, kind: str) -> None:
    async with pool_to(twice(pause)) as (pool, server):
        for _ in range(20):
            assert await ask(pool, kind) == {"a": 1}
            if pause is not None:
                await asyncio.sleep(0.003)
        assert len(server.requests) == 20
        assert len({number for number, _, _ in server.requests}) == 20, "each on a connection of its own"


async def test_a_second_answer_that_the_loop_has_not_seen_yet() -> None:
    """It lies in the socket's buffer when the next call is made: no turn of the loop between the two."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def serve() -> None:
            for _ in range(2):
                accepted, _ = listener.accept()
                with accepted, suppress(ConnectionError):
                    accepted.settimeout(5)
                    while accepted.recv(65536):
                        accepted.sendall(response(GOOD))
                        time.sleep(0.02)  # a packet of its own
                        accepted.sendall(response(EVIL))

        server = asyncio.get_running_loop().run_in_executor(None, serve)
        pool = Pool("test", f"http://127.0.0.1:{listener.getsockname()[1]}/", SubgraphConfig())
        assert await ask(pool, "mutation") == {"a": 1}
        time.sleep(0.2)  # noqa: ASYNC251  the loop must not turn
        assert await ask(pool, "mutation") == {"a": 1}
        await pool.aclose()
        await server


@pytest.mark.parametrize("junk", [b"x", b"HTTP/1.1 200 OK\r\n", b"\x00" * 10_000])
async def test_bytes_on_an_idle_connection_close_it(junk: bytes) -> None:
    async def script(connection: Connection) -> None:
        await connection.send(response(GOOD))
        await asyncio.sleep(0.01)
        await connection.send(junk)

    async with pool_to(script) as (pool, _):
        await ask(pool)
        await until(lambda: not pool.open_connections)
        assert await ask(pool, "mutation") == {"a": 1}


@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_every_moment_to_close_in(kind: str) -> None:
    """Cut after each byte: an error, except where nothing is missing; a query that got no byte is asked once more."""
    whole = response(GOOD)
    cut = 0

    async def script(connection: Connection) -> None:
        await connection.send(whole[:cut])
        connection.writer.close()

    async with pool_to(script) as (pool, server):
        for cut in range(len(whole) + 1):
            server.requests.clear()
            if cut == len(whole):
                assert await ask(pool, kind) == {"a": 1}
            else:
                with pytest.raises(SubgraphError) as caught:
                    await ask(pool, kind)
                assert caught.value.code == errors.SUBGRAPH_UNREACHABLE
            assert len(server.requests) == (2 if cut == 0 and kind == "query" else 1)


async def test_a_mutation_is_not_lost_to_a_connection_that_was_closed_while_idle() -> None:
    async def script(connection: Connection) -> None:
        await connection.send(response(GOOD))
        connection.writer.close()

    async with pool_to(script) as (pool, server):
        for _ in range(50):
            assert await ask(pool, "mutation") == {"a": 1}
            await asyncio.sleep(random.random() * 0.002)
        assert len(server.requests) == 50


async def test_idle_connections_are_closed_in_time() -> None:
    async def script(connection: Connection) -> None:
        await asyncio.sleep(0.01)
        await connection.send(response(GOOD))

    async with pool_to(script, keep_alive_seconds=1.0) as (pool, server):
        await asyncio.gather(*(ask(pool) for _ in range(5)))
        assert pool.open_connections == server.open == 5
        async with asyncio.timeout(20):
            while server.open > 1:  # one stays in use, the others don't
                await asyncio.sleep(0.1)
                await ask(pool)
        await until(lambda: server.open == 0)


async def test_storms_of_cancelled_calls_leave_nothing_behind() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)

    async def script(connection: Connection) -> None:
        await asyncio.sleep(chance.random() * 0.01)
        data = response({"data": {"echo": connection.body.decode()}})
        half = chance.randrange(len(data))
        await connection.send(data[:half])
        await asyncio.sleep(chance.random() * 0.005)
        await connection.send(data[half:])

    async def one(pool: Pool, number: int) -> None:
        body = b'{"query":"{ n%d }"}' % number
        call = pool.start(body, "query", {}, 5.0)
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.02)
            call.cancel()
        try:
            answer = await call
        except asyncio.CancelledError:
            return
        assert answer.data == {"echo": body.decode()}, seed

    async with pool_to(script, max_connections=7) as (pool, server):
        await asyncio.gather(*(one(pool, number) for number in range(400)))
        assert pool.open_connections <= 7
        assert pool.waiting_calls == 0
        assert (await pool.start(BODY, "query", {}, 5.0)).data == {"echo": BODY.decode()}
        assert server.open <= 7


async def test_cancelling_while_it_waits_and_while_it_connects() -> None:
    async with pool_to(listens, max_connections=1) as (pool, server):
        calls = [pool.start(BODY, "query", {}, 5.0) for _ in range(3)]
        calls[0].cancel()  # its connection is on the way and serves the next
        await until(lambda: server.requests)
        calls[2].cancel()
        assert pool.waiting_calls == 0
        calls[1].cancel()
        await until(lambda: not pool.open_connections)
        assert len(server.requests) == 1


LONG = {"data": {"a": "x" * 100_000}}


async def long(connection: Connection) -> None:
    await connection.send(response(LONG))


async def test_long_answers_that_come_together_are_read_one_in_each_turn_of_the_loop() -> None:
    """A request that has its answer goes on before the next answer is read, so that few hold one at a time."""
    turn = 0
    read_in: list[int] = []

    def count() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(count)

    async with pool_to(long, max_connections=5) as (pool, _):
        await asyncio.gather(*(ask(pool) for _ in range(5)))
        calls = [pool.start(BODY, "query", {}, 5.0) for _ in range(5)]
        for call in calls:
            call.add_done_callback(lambda _: read_in.append(turn))
        count()
        assert [answer.data for answer in await asyncio.gather(*calls)] == [LONG["data"]] * 5
        await until(lambda: len(read_in) == 5)
        assert len(set(read_in)) == 5


async def test_calls_that_are_given_up_before_their_long_answer_is_read() -> None:
    async with pool_to(long, max_connections=5) as (pool, _):
        calls = [pool.start(BODY, "query", {}, 5.0) for _ in range(5)]

        def give_up(_: Any) -> None:
            for call in calls:
                call.cancel()

        calls[0].add_done_callback(give_up)
        await asyncio.wait(calls)
        assert calls[0].result().data == LONG["data"]
        assert all(call.cancelled() or call.result().data == LONG["data"] for call in calls)
        assert await ask(pool) == LONG["data"]


async def test_deadlines_in_any_order() -> None:
    async with pool_to(listens, max_connections=3) as (pool, _):
        loop = asyncio.get_running_loop()
        started = loop.time()

        async def one(seconds: float) -> float:
            with pytest.raises(SubgraphError) as caught:
                await ask(pool, timeout=seconds)
            assert caught.value.code == errors.SUBGRAPH_TIMEOUT
            return loop.time() - started

        wanted = [0.3, 0.1, 0.2, 0.05, 0.25]
        for seconds, taken in zip(wanted, await asyncio.gather(*map(one, wanted)), strict=True):
            assert seconds - 0.01 <= taken < seconds + 1


async def test_an_early_answer_ends_a_request_that_is_still_being_sent() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response("too large", status="413 Payload Too Large", content_type="text/plain"))
        await writer.drain()
        await asyncio.sleep(0.5)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = Pool("test", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", SubgraphConfig())
    with pytest.raises(SubgraphError) as caught:
        await ask(pool, "mutation", body=b"x" * 20_000_000)
    assert caught.value.status == 413
    await until(lambda: not pool.open_connections)
    await pool.aclose()
    server.close()


async def test_a_name_with_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hostile(answers(response(GOOD))) as server:
        port = int(server.url.split(":")[2].split("/")[0])

        async def addresses(*_: Any, **__: Any) -> list[Any]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")
            ]

        pool = Pool("test", f"http://subgraph.test:{port}/graphql", SubgraphConfig())
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.SelectorEventLoop):
            monkeypatch.setattr(loop, "getaddrinfo", addresses)
            assert await ask(pool) == {"a": 1}
            assert b"host: subgraph.test:%d\r\n" % port in server.requests[0][1]
        await pool.aclose()


async def test_an_address_that_swallows_connections() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        clogs = [socket.socket() for _ in range(4)]
        for clog in clogs:  # its queue of connections that aren't accepted
            clog.setblocking(False)
            clog.connect_ex(full.getsockname())
        await asyncio.sleep(0.05)
        pool = Pool("test", f"http://127.0.0.1:{full.getsockname()[1]}/", SubgraphConfig(connect_timeout_seconds=0.2))
        with pytest.raises(SubgraphError) as caught:
            await ask(pool, timeout=5)
        assert caught.value.code == errors.SUBGRAPH_TIMEOUT
        await pool.aclose()
        for clog in clogs:
            clog.close()


@pytest.mark.parametrize(
    ("url", "line", "headers"),
    [
        ("http://{at}", b"POST / HTTP/1.1", {b"host": b"{at}"}),
        ("HTTP://{at}/a/b?c=d&e#f", b"POST /a/b?c=d&e HTTP/1.1", {}),
        ("http://{at}/%61%20b/ü", b"POST /a%20b/%C3%BC HTTP/1.1", {}),
        ("http://me:p%40ss@{at}/x", b"POST /x HTTP/1.1", {b"authorization": b"Basic bWU6cEBzcw=="}),
    ],
)
async def test_what_a_url_says(url: str, line: bytes, headers: dict[bytes, bytes]) -> None:
    async with hostile(answers(response(GOOD))) as server:
        at = server.url.split("/")[2]
        client = HttpClient("test", url.format(at=at))
        await client.execute(SubgraphRequest("{ a }"))
        await client.aclose()
    first, *rest = server.requests[0][1].split(b"\r\n")
    sent = dict(item.split(b": ", 1) for item in rest if item)
    assert first == line
    for name, value in headers.items():
        assert sent[name] == value.replace(b"{at}", at.encode())


async def test_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(response(GOOD))

    heads: list[bytes] = []
    server = await asyncio.start_server(serve, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = Pool("test", f"http://[::1]:{port}/graphql", SubgraphConfig())
    assert await ask(pool) == {"a": 1}
    assert b"host: [::1]:%d\r\n" % port in heads[0]
    await pool.aclose()
    server.close()


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://a b/", "ftp://x/", "nonsense", "http://x:99999/"])
async def test_a_url_that_is_none(url: str) -> None:
    client = HttpClient("test", url)
    with pytest.raises(SubgraphError) as caught:
        await client.execute(SubgraphRequest("{ a }"))
    assert caught.value.code == errors.SUBGRAPH_UNREACHABLE
    assert url not in caught.value.message
    await client.aclose()


async def test_header_values_go_as_they_came() -> None:
    """A client's header (decoded as Latin-1 on its way) is sent in its original bytes; other text as UTF-8."""
    async with pool_to(answers(response(GOOD))) as (pool, server):
        await pool.start(BODY, "query", {"x-a": "caf\xe9 100%s %(x)d", "X-B": "\t tab"}, 5.0)
        await pool.start(BODY, "query", {"x-a": "🙂"}, 5.0)
    assert b"x-a: caf\xe9 100%s %(x)d\r\nx-b: \t tab\r\n" in server.requests[0][1]
    assert b"x-a: \xf0\x9f\x99\x82\r\n" in server.requests[1][1]


async def test_one_client_on_two_loops() -> None:
    """A script that runs the loop twice, say."""
    async with hostile(answers(response(GOOD))) as server:
        pool = Pool("test", server.url, SubgraphConfig())
        await ask(pool)

        def elsewhere() -> Any:
            return asyncio.run(ask(pool))

        assert await asyncio.to_thread(elsewhere) == {"a": 1}


async def test_loops_in_two_threads_read_what_is_theirs() -> None:
    def client(mark: str) -> None:
        async def calls() -> None:
            whole = {"data": {"mark": mark * 200_000}}
            async with pool_to(answers(response(whole))) as (pool, _):
                for _ in range(20):
                    assert await asyncio.gather(*(ask(pool) for _ in range(3))) == [whole["data"]] * 3

        asyncio.run(calls())

    await asyncio.gather(*(asyncio.to_thread(client, mark) for mark in "ab"))


@pytest.mark.parametrize(
    "pieces",
    [
        [b'{"data":{"a":2}}'],
        [b'{"data":', b'{"a":2}}'],
        [b"", b'{"data":{"a":2}}'],
        [b'{"data":{"a":2}}junk'],
        [b'{"data":{"a":2}}', b"junk"],
    ],
    ids=["whole", "in two pieces", "after its head", "with junk behind it", "with junk that comes later"],
)
async def test_a_head_that_was_seen_before_means_the_same_whatever_follows_it(pieces: list[bytes]) -> None:
    good = response(b'{"data":{"a":1}}')
    head = good[: -len(b'{"data":{"a":1}}')]
    asked = 0

    async def script(connection: Connection) -> None:
        nonlocal asked
        asked += 1
        if asked <= 3:
            await connection.send(good)
            return
        for number, piece in enumerate(pieces):
            await connection.send((b"" if number else head) + piece)
            await asyncio.sleep(0.01)

    async with pool_to(script) as (pool, _):
        for _ in range(3):
            assert await ask(pool) == {"a": 1}
        assert await ask(pool) == {"a": 2}
        await asyncio.sleep(0.03)
        assert await ask(pool, "mutation") == {"a": 2}, "what was left over answers no request"
