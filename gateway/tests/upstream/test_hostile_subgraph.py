"""A broken or malicious subgraph on a real socket: an error with a code in bounded time and memory, never a crash."""

import asyncio
import gzip
import json
import logging
import resource
import socket
import zlib
from dataclasses import replace
from typing import Any

import pytest
from graphql import build_schema

from botberi_gateway import errors
from botberi_gateway.config import ExecutionBudget, SubgraphConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor import execute
from botberi_gateway.executor.budget import ResponseTooLarge, Spending
from botberi_gateway.plan import Parallel, Plan
from botberi_gateway.upstream import HttpClient, SubgraphRequest
from gateway.tests.support.operations import operation_of
from gateway.tests.support.plans import fetch_of
from gateway.tests.support.runtimes import runtime_of
from gateway.tests.upstream.hostile import (
    Script,
    answers,
    answers_and_closes,
    drips,
    gzip_bomb,
    half_closes,
    hangs,
    hangs_within,
    hostile,
    never_ends,
    parts,
    resets,
    response,
    without_end,
)
from gateway.tests.upstream.wires import Wire

INVALID = errors.SUBGRAPH_INVALID_RESPONSE
HTTP = errors.SUBGRAPH_HTTP_ERROR
UNREACHABLE = errors.SUBGRAPH_UNREACHABLE
TIMEOUT = errors.SUBGRAPH_TIMEOUT

GOOD = {"data": {"a": 1}}
SMALL = SubgraphConfig(timeout_seconds=0.5, max_response_bytes=100_000)
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


#: Name -> what the server does, and the code of the error.
REFUSED: dict[str, tuple[Script, str]] = {
    # not JSON
    "empty body": (answers(response(b"")), INVALID),
    "malformed JSON": (answers(response(b'{"data": {"a": }}')), INVALID),
    "truncated JSON": (answers(response(b'{"data": {"a": 1')), INVALID),
    "trailing garbage": (answers(response(b'{"data": {"a": 1}} {}')), INVALID),
    "two documents": (answers(response(b'{"data":{"a":1}}\n{"data":{"a":2}}')), INVALID),
    "NaN": (answers(response(b'{"data": {"a": NaN}}')), INVALID),
    "Infinity": (answers(response(b'{"data": {"a": -Infinity}}')), INVALID),
    "1e400": (answers(response(b'{"data": {"a": 1e400}}')), INVALID),
    "5,000 digits": (answers(response(b'{"data": {"a": ' + b"9" * 5000 + b"}}")), INVALID),
    "invalid UTF-8": (answers(response(b'{"data": {"a": "\xff\xfe"}}')), INVALID),
    "BOM": (answers(response(b'\xef\xbb\xbf{"data": {"a": 1}}')), INVALID),
    "UTF-16": (answers(response(json.dumps(GOOD).encode("utf-16"))), INVALID),
    "lone surrogate": (answers(response(b'{"data": {"a": "\\ud800"}}')), INVALID),
    "lone low surrogate": (answers(response(b'{"data": {"a": "x\\udc00y"}}')), INVALID),
    "control characters in a string": (answers(response(b'{"data": {"a": "\x00\x01"}}')), INVALID),
    "depth 100,000": (answers(response(b'{"data":' + b"[" * 40_000)), INVALID),
    "depth 20,000, closed": (answers(response(b'{"data":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}")), INVALID),
    "single quotes": (answers(response(b"{'data': {'a': 1}}")), INVALID),
    # not a GraphQL response
    "null": (answers(response(b"null")), INVALID),
    "a list": (answers(response([GOOD])), INVALID),
    "a string": (answers(response('"data"')), INVALID),
    "empty object": (answers(response({})), INVALID),
    "data is a list": (answers(response({"data": [1]})), INVALID),
    "data is a string": (answers(response({"data": "x"})), INVALID),
    "data is false": (answers(response({"data": False})), INVALID),
    "data null alone": (answers(response({"data": None})), INVALID),
    "errors is a string": (answers(response({"data": {"a": 1}, "errors": "no"})), INVALID),
    "errors is an object": (answers(response({"data": {"a": 1}, "errors": {"message": "x"}})), INVALID),
    "errors of strings": (answers(response({"errors": ["no"]})), INVALID),
    "errors without message": (answers(response({"errors": [{"path": ["a"]}]})), INVALID),
    "errors with a list as message": (answers(response({"errors": [{"message": ["a"]}]})), INVALID),
    "empty errors, no data": (answers(response({"errors": []})), INVALID),
    # content type and encoding
    "HTML": (answers(response("<html>", content_type="text/html")), INVALID),
    "JSON called HTML": (answers(response(GOOD, content_type="text/html")), INVALID),
    "no content type": (answers(response(GOOD, content_type=None)), INVALID),
    "latin-1": (answers(response(GOOD, content_type="application/json; charset=iso-8859-1")), INVALID),
    "event stream": (answers(response("data: {}\n\n", content_type="text/event-stream")), INVALID),
    "unknown content encoding": (answers(response(GOOD, headers=("content-encoding: br",))), INVALID),
    "gzip that is none": (answers(response(GOOD, headers=("content-encoding: gzip",))), INVALID),
    "truncated gzip": (
        answers(response(gzip.compress(json.dumps(GOOD).encode())[:-9], headers=("content-encoding: gzip",))),
        INVALID,
    ),
    "garbage after gzip": (
        answers(response(gzip.compress(json.dumps(GOOD).encode()) + b"xyz", headers=("content-encoding: gzip",))),
        INVALID,
    ),
    # status
    "204": (answers(b"HTTP/1.1 204 No Content\r\n\r\n"), INVALID),
    "301": (answers(response(b"", status="301 Moved", headers=("location: http://127.0.0.1:1/",))), HTTP),
    "302 with a GraphQL body": (
        answers(response({"errors": [{"message": "x"}]}, status="302 Found", headers=("location: /other",))),
        HTTP,
    ),
    "307": (answers(response(b"", status="307 Temporary Redirect", headers=("location: /graphql",))), HTTP),
    "304": (answers(b"HTTP/1.1 304 Not Modified\r\n\r\n"), HTTP),
    "401 without a body": (answers(response(b"", status="401 Unauthorized", content_type=None)), HTTP),
    "404 HTML": (answers(response("<h1>no</h1>", status="404 Not Found", content_type="text/html")), HTTP),
    "429": (answers(response("slow down", status="429 Too Many Requests", content_type="text/plain")), HTTP),
    "500 text": (answers(response("oops", status="500 Internal Server Error", content_type="text/plain")), HTTP),
    "500 JSON that is no response": (answers(response({"oops": 1}, status="500 Internal Server Error")), HTTP),
    "500 with data alone": (answers(response(GOOD, status="500 Internal Server Error")), HTTP),
    "503 malformed": (answers(response(b"{", status="503 Service Unavailable")), HTTP),
    # size
    "too large by its length": (answers(response(b" " * 10, length=10**12)), INVALID),
    "too large": (answers(response(b'{"data":{"a":"' + b"x" * 200_000 + b'"}}')), INVALID),
    "never-ending body": (never_ends, INVALID),
    "gzip bomb": (answers(gzip_bomb(50_000_000)), INVALID),
    # the connection
    "closes at once": (answers_and_closes(b""), UNREACHABLE),
    "closes within the head": (answers_and_closes(b"HTTP/1.1 200 OK\r\ncontent-"), UNREACHABLE),
    "closes within the body": (answers_and_closes(response(b'{"data":', length=100)), UNREACHABLE),
    "closes within a chunk": (answers_and_closes(CHUNKED + b"ff\r\n{"), UNREACHABLE),
    "hangs": (hangs, TIMEOUT),
    "hangs within the body": (hangs_within, TIMEOUT),
    "drips": (drips, TIMEOUT),
    "closes its half": (half_closes, UNREACHABLE),
    "resets at once": (resets(), UNREACHABLE),
    "resets within the head": (resets(b"HTTP/1.1 200 OK\r\ncont"), UNREACHABLE),
    "resets within the body": (resets(response(b'{"data":', length=100)), UNREACHABLE),
    "drips the head": (without_end(b"HTTP/1.1 200 OK\r\nx: ", b"y", 0.02), TIMEOUT),
    "drips chunks": (without_end(CHUNKED, b"1\r\n \r\n", 0.02), TIMEOUT),
    "drips interim answers": (without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02), TIMEOUT),
    "interim answer, then closes": (answers_and_closes(b"HTTP/1.1 103 Early Hints\r\n\r\n"), UNREACHABLE),
    # more than anybody needs
    "flood of interim answers": (without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500), INVALID),
    "endless header": (without_end(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 10_000), INVALID),
    "endless headers": (without_end(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000), INVALID),
    "endless status line": (without_end(b"HTTP/1.1 200 ", b"OK" * 5000), INVALID),
    "endless chunk extension": (without_end(CHUNKED + b"1;", b"x" * 10_000), INVALID),
    "endless trailer": (without_end(CHUNKED + b"2\r\n{}\r\n0\r\n", b"x: y\r\n" * 1000), INVALID),
    "endless gzip members": (
        without_end(CHUNKED[:-2] + b"content-encoding: gzip\r\n\r\n", _chunk(gzip.compress(b"") * 100)),
        INVALID,
    ),
    "deflate bomb": (
        answers(response(zlib.compress(b" " * 10_000_000), headers=("content-encoding: deflate",))),
        INVALID,
    ),
    "packed twice": (
        answers(response(gzip.compress(gzip.compress(b"{}")), headers=("content-encoding: gzip, gzip",))),
        INVALID,
    ),
    "two encodings": (
        answers(response(b"{}", headers=("content-encoding: gzip", "content-encoding: identity"))),
        INVALID,
    ),
    # framings that two readers may read in two ways
    "length and chunks": (
        answers_and_closes(response(GOOD, headers=("transfer-encoding: chunked",))),
        INVALID,
    ),
    "chunks and length": (answers_and_closes(CHUNKED[:-2] + b"content-length: 4\r\n\r\n0\r\n\r\n"), INVALID),
    "gzip as transfer encoding": (
        answers_and_closes(response(GOOD, headers=("transfer-encoding: gzip, chunked",))),
        INVALID,
    ),
    "two spellings of chunked": (
        answers_and_closes(CHUNKED[:-2] + b"transfer-encoding: identity\r\n\r\n0\r\n\r\n"),
        INVALID,
    ),
    "chunk of 2**80 bytes": (answers_and_closes(CHUNKED + b"1" + b"0" * 20 + b"\r\n{}"), INVALID),
    "negative chunk": (answers_and_closes(CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n"), INVALID),
    "chunk longer than it says": (answers_and_closes(CHUNKED + b"2\r\n{}{}\r\n0\r\n\r\n"), INVALID),
    "length with a plus": (
        answers_and_closes(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: +2\r\n\r\n{}"),
        INVALID,
    ),
    "space before a colon": (answers_and_closes(response(GOOD, headers=("x : y",))), INVALID),
    # not HTTP
    "another protocol by 101": (
        answers(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
        INVALID,
    ),
    "status without a number": (answers_and_closes(b"HTTP/1.1 OK\r\n\r\n"), INVALID),
    "HTTP/2": (answers_and_closes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), INVALID),
    "TLS": (answers_and_closes(b"\x15\x03\x01\x00\x02\x02\x46"), INVALID),
    "garbage": (answers_and_closes(b"\x00\x01\x02\r\n\r\n"), INVALID),
    "another protocol": (answers_and_closes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), INVALID),
    "broken chunk size": (answers_and_closes(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"), INVALID),
    "negative content length": (answers_and_closes(response(GOOD, length=-5)), INVALID),
    "two content lengths": (answers_and_closes(response(GOOD, headers=("content-length: 3",))), INVALID),
    "header without a colon": (answers_and_closes(response(GOOD, headers=("nonsense",))), INVALID),
    "header of 100 kB": (answers_and_closes(response(GOOD, headers=("x: " + "y" * 100_000,))), INVALID),
    "NUL in a header": (answers_and_closes(response(GOOD, headers=("x: a\x00b",))), INVALID),
}

#: Odd, and still to be understood: name -> what the server does, and what it means.
UNDERSTOOD: dict[str, tuple[Script, Any]] = {
    "duplicate keys": (answers(response(b'{"data": {"a": 1, "a": 2}}')), {"a": 2}),
    "errors null": (answers(response({"data": {"a": 1}, "errors": None})), {"a": 1}),
    "extensions is a list": (answers(response({"data": {"a": 1}, "extensions": [1]})), {"a": 1}),
    "extra keys": (answers(response({"data": {"a": 1}, "hasNext": False, "other": {}})), {"a": 1}),
    "charset": (answers(response(GOOD, content_type='application/json; charset="UTF-8"')), {"a": 1}),
    "graphql-response+json": (answers(response(GOOD, content_type="application/graphql-response+json")), {"a": 1}),
    "gzip": (
        answers(response(gzip.compress(json.dumps(GOOD).encode()), headers=("content-encoding: gzip",))),
        {"a": 1},
    ),
    "deflate": (answers(response(zlib.compress(_json(GOOD)), headers=("content-encoding: deflate",))), {"a": 1}),
    "deflate without zlib's header": (
        answers(response(zlib.compress(_json(GOOD))[2:-4], headers=("content-encoding: deflate",))),
        {"a": 1},
    ),
    "gzip in chunks": (
        parts(
            CHUNKED[:-2] + b"content-encoding: gzip\r\n\r\n",
            *(_chunk(gzip.compress(_json(GOOD))[n : n + 7]) for n in range(0, 70, 7) if gzip.compress(_json(GOOD))[n:]),
            b"0\r\n\r\n",
        ),
        {"a": 1},
    ),
    "a byte at a time": (parts(*(bytes([byte]) for byte in response(GOOD)), pause=0), {"a": 1}),
    "a byte a chunk": (
        answers(CHUNKED + b"".join(_chunk(bytes([byte])) for byte in _json(GOOD)) + b"0\r\n\r\n"),
        {"a": 1},
    ),
    "chunk extensions": (answers(CHUNKED + b'd;a=b;c="d"\r\n{"data":{"a":\r\n3\r\n1}}\r\n0\r\n\r\n'), {"a": 1}),
    "trailers that lie": (
        answers(CHUNKED + _chunk(_json(GOOD)) + b"0\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\n\r\n"),
        {"a": 1},
    ),
    "several interim answers": (
        answers(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 5 + response(GOOD)),
        {"a": 1},
    ),
    "interim answer in a packet of its own": (parts(b"HTTP/1.1 100 Continue\r\n\r\n", response(GOOD)), {"a": 1}),
    "HTTP/1.0": (answers_and_closes(response(GOOD).replace(b"HTTP/1.1", b"HTTP/1.0")), {"a": 1}),
    "connection: close": (answers_and_closes(response(GOOD, headers=("connection: close",))), {"a": 1}),
    "connection: close, kept open": (answers(response(GOOD, headers=("connection: close",))), {"a": 1}),
    "shouted headers": (answers(response(GOOD).replace(b"content-", b"CONTENT-")), {"a": 1}),
    "50 kB of headers": (answers(response(GOOD, headers=tuple(f"x-{n}: {'y' * 900}" for n in range(50)))), {"a": 1}),
    "chunked": (answers(CHUNKED + b'5\r\n{"dat\r\nb\r\na":{"a":1}}\r\n0\r\n\r\n'), {"a": 1}),
    "100 first": (answers(b"HTTP/1.1 100 Continue\r\n\r\n" + response(GOOD)), {"a": 1}),
    "until close": (
        answers_and_closes(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"data":{"a":1}}'),
        {"a": 1},
    ),
    "cookies": (answers(response(GOOD, headers=("set-cookie: a=b", "set-cookie: c=d"))), {"a": 1}),
    "errors by status 400": (answers(response({"errors": [{"message": "x"}]}, status="400 Bad Request")), None),
    "errors by status 401": (
        answers(response({"data": {"a": 1}, "errors": [{"message": "x"}]}, status="401 Unauthorized")),
        None,
    ),
    "data by graphql-response status 500": (
        answers(
            response(
                {"data": {"a": 1}, "errors": [{"message": "x"}]},
                status="500 Internal Server Error",
                content_type="application/graphql-response+json",
            )
        ),
        {"a": 1},
    ),
}


#: aiohttp reads on and on until the time is over, keeping none of it; and 101 is a status like others to it.
OTHERWISE_IN_THE_LIBRARY = {
    "flood of interim answers": TIMEOUT,
    "endless chunk extension": TIMEOUT,
    "another protocol by 101": HTTP,
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(name: str, wire: Wire) -> None:
    script, code = REFUSED[name]
    if wire.server is not None:
        code = OTHERWISE_IN_THE_LIBRARY.get(name, code)
    async with hostile(script, wire.server) as server:
        client = HttpClient("bad", server.url, replace(SMALL, tls=wire.client))
        started = asyncio.get_running_loop().time()
        with pytest.raises(SubgraphError) as caught:
            await client.execute(SubgraphRequest("mutation { a }", kind="mutation"))
        assert asyncio.get_running_loop().time() - started < 15
        await client.aclose()
    assert caught.value.code == code
    assert caught.value.subgraph == "bad"
    assert "127.0.0.1" not in caught.value.message
    assert len(server.requests) == 1, "a mutation is sent once"


@pytest.mark.parametrize("name", UNDERSTOOD)
async def test_understood(name: str, wire: Wire) -> None:
    script, data = UNDERSTOOD[name]
    async with hostile(script, wire.server) as server:
        client = HttpClient("odd", server.url, replace(SMALL, tls=wire.client))
        answer = await client.execute(SubgraphRequest("{ a }"))
        assert answer.data == data
        assert bool(answer.errors) is ("errors by" in name or "data by" in name)
        await client.aclose()


@pytest.mark.parametrize("name", REFUSED)
async def test_loses_only_its_own_fields(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The same table through the executor: the other subgraph's field is there, the lost field has an error."""
    script, code = REFUSED[name]
    schema = build_schema("type Query { a: Int b: Int }")
    plan = Plan("query", Parallel((fetch_of(1, "bad", "{ a }"), fetch_of(2, "good", "{ b }"))))
    async with hostile(script) as server, hostile(answers(response({"data": {"b": 2}}))) as other:
        clients = {"bad": HttpClient("bad", server.url, SMALL), "good": HttpClient("good", other.url)}
        with caplog.at_level(logging.WARNING):
            result = await execute(plan, operation_of(schema, "{ a b }"), {}, runtime_of(clients))
        for client in clients.values():
            await client.aclose()
    assert result.data == {"a": None, "b": 2}
    assert [(e.code, e.path, e.extensions["service"]) for e in result.errors] == [(code, ("a",), "bad")]
    assert any("bad" in record.getMessage() for record in caplog.records)


async def test_a_query_is_sent_once_more_when_the_connection_was_lost() -> None:
    async def script(connection: Any) -> None:
        if connection.number == 1:
            connection.writer.close()
        else:
            await connection.send(response(GOOD))

    async with hostile(script) as server:
        client = HttpClient("flaky", server.url)
        assert (await client.execute(SubgraphRequest("{ a }"))).data == {"a": 1}
        assert len(server.requests) == 2
        await client.aclose()


async def test_a_query_is_sent_twice_at_most() -> None:
    async with hostile(answers_and_closes(b"")) as server:
        client = HttpClient("flaky", server.url)
        with pytest.raises(SubgraphError):
            await client.execute(SubgraphRequest("{ a }"))
        assert len(server.requests) == 2
        await client.aclose()


async def test_connections_are_kept_and_bounded() -> None:
    async def script(connection: Any) -> None:
        await asyncio.sleep(0.005)
        await connection.send(response(GOOD))

    async with hostile(script) as server:
        client = HttpClient("busy", server.url, SubgraphConfig(max_connections=3))
        await asyncio.gather(*(client.execute(SubgraphRequest("{ a }")) for _ in range(60)))
        assert len(server.requests) == 60
        assert max(number for number, _, _ in server.requests) <= 3
        await client.aclose()


async def test_a_request_when_too_many_wait_is_refused_at_once() -> None:
    async with hostile(hangs) as server:
        client = HttpClient("busy", server.url, SubgraphConfig(max_connections=1, max_waiting=1, timeout_seconds=0.5))
        outcomes = await asyncio.gather(
            *(client.execute(SubgraphRequest("{ a }")) for _ in range(5)), return_exceptions=True
        )
        codes = sorted(o.code for o in outcomes if isinstance(o, SubgraphError))
        assert codes == [TIMEOUT, TIMEOUT, UNREACHABLE, UNREACHABLE, UNREACHABLE]
        await client.aclose()


async def test_a_cancelled_request_closes_its_connection() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(connection: Any) -> None:
        asked.set()
        await connection.reader.read()
        gone.set()

    async with hostile(script) as server:
        client = HttpClient("slow", server.url)
        task = asyncio.create_task(client.execute(SubgraphRequest("{ a }")))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 0.5)
        await client.aclose()


async def test_a_port_without_a_listener() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = HttpClient("down", f"http://127.0.0.1:{port}/graphql")
    with pytest.raises(SubgraphError) as caught:
        await client.execute(SubgraphRequest("{ a }"))
    assert caught.value.code == UNREACHABLE
    await client.aclose()


async def test_headers_once_each_and_none_of_the_connection() -> None:
    async with hostile(answers(response(GOOD))) as server:
        client = HttpClient("test", server.url, SubgraphConfig(headers={"X-A": "option", "x-b": "option"}))
        headers = {"x-a": "request", "Host": "evil", "Content-Length": "0", "Transfer-Encoding": "chunked", "TE": "x"}
        await client.execute(SubgraphRequest("{ a }", headers=headers))
        await client.aclose()
    lines = [line.split(b":")[0].strip().lower() for line in server.requests[0][1].split(b"\r\n")[1:] if line]
    assert len(lines) == len(set(lines))
    assert b"x-a: request" in server.requests[0][1]
    assert b"evil" not in server.requests[0][1]
    assert b"transfer-encoding" not in lines


@pytest.mark.parametrize("headers", [{"x": "a\r\nevil: 1"}, {"x": "a\nb"}, {"a b": "c"}, {"x\r\ny": "z"}, {"": "z"}])
async def test_header_injection_is_refused(headers: dict[str, str]) -> None:
    async with hostile(answers(response(GOOD))) as server:
        client = HttpClient("test", server.url)
        with pytest.raises(SubgraphError):
            await client.execute(SubgraphRequest("{ a }", headers=headers))
        assert not server.requests
        await client.aclose()


async def test_cookies_are_not_kept() -> None:
    async with hostile(answers(response(GOOD, headers=("set-cookie: session=1",)))) as server:
        client = HttpClient("test", server.url)
        answer = await client.execute(SubgraphRequest("{ a }"))
        await client.execute(SubgraphRequest("{ a }"))
        await client.aclose()
    assert ("set-cookie", "session=1") in answer.headers
    assert b"cookie" not in server.requests[1][1].lower()


async def test_a_bomb_takes_little_memory() -> None:
    bomb = gzip_bomb(200_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with hostile(answers(bomb)) as server:
        client = HttpClient("bomb", server.url)
        with pytest.raises(SubgraphError):
            await client.execute(SubgraphRequest("{ a }", kind="mutation"))
        await client.aclose()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64_000


async def test_an_answer_beyond_the_operations_budget(wire: Wire) -> None:
    """Not read: neither over our own connections nor over TLS."""
    async with hostile(answers(response(_json({"data": {"a": "x" * 20_000}}))), wire.server) as server:
        client = HttpClient("large", server.url, replace(SMALL, timeout_seconds=5, tls=wire.client))
        for max_bytes, fits in ((30_000, True), (10_000, False)):
            spending = Spending(ExecutionBudget(max_answer_bytes=max_bytes))
            request = SubgraphRequest("{ a }", spending=spending)
            if fits:
                assert (await client.execute(request)).data == {"a": "x" * 20_000}
            else:
                with pytest.raises(ResponseTooLarge):
                    await client.execute(request)
        await client.aclose()
