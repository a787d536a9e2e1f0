"""V1, V10, W9: bytes that two servers could read as different requests. We refuse what h11 does, and frame as it does.

Thousands of framings go to our protocol and to h11, whole and cut at every byte. An attacker gets a refusal and the end
of the connection.
"""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h11
import pytest
import uvicorn
from uvicorn.server import ServerState

from botberi_gateway.server import protocol as module
from botberi_gateway.server.lifetime import ServerContext
from botberi_gateway.server.protocol import GatewayProtocol

#: A request that must stay in the body it hides in, or be recognised by every server.
HIDDEN = b"GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n"

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Request:
    """One request as it was understood."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes


def read_by_h11(data: bytes) -> list[Request]:
    """The requests that h11 accepts, up to the first that it refuses."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
    connection.receive_data(data)
    requests: list[Request] = []
    current: h11.Request | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                current, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert current is not None
                headers = tuple((bytes(name), bytes(value)) for name, value in current.headers)
                requests.append(Request(bytes(current.method), bytes(current.target), headers, body))
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.MUST_CLOSE:
                    return requests
                connection.start_next_cycle()
            else:
                return requests
    except h11.ProtocolError:
        return requests


class Wire(asyncio.Transport):
    """The other side of the protocol: keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("203.0.113.7", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""
        self.closed = self.half_closed = False
        self.paused = False
        self.protocol: asyncio.BaseProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    @property
    def ended(self) -> bool:
        """True if the client knows that nothing more comes."""
        return self.closed or self.half_closed


@dataclass
class Log:
    """What reached the app, once its body was complete."""

    requests: list[Request] = field(default_factory=list)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            self.requests.append(Request(b"WEBSOCKET", scope["raw_path"], (), b""))
            await send({"type": "websocket.close"})
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        self.requests.append(Request(scope["method"].encode(), target, tuple(scope["headers"]), body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


class Door:
    """Admits every POST with a length, so that the short way is compared as well."""

    url = b"/"

    def admits(self, headers: dict[str, str]) -> bool:
        return True

    def default_headers(self, headers: Any) -> bytes:
        return b""


class Server:
    """One configuration, many connections."""

    def __init__(self, *, quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = Log()
        self.config = uvicorn.Config(
            self.log.app,
            interface="asgi3",
            ws="websockets-sansio",
            log_config=None,
            lifespan="off",
            proxy_headers=False,
        )
        self.config.load()
        self.options = ServerContext(door=Door() if quick else None)  # type: ignore[arg-type]
        if quick:
            monkeypatch.setattr(module, "QuickCycle", type("Quick", (_Quick,), {"log": self.log}))

    async def read(self, pieces: list[bytes]) -> tuple[list[Request], Wire]:
        self.log.requests.clear()
        wire = Wire()
        protocol = GatewayProtocol(self.options, config=self.config, server_state=ServerState(), app_state={})
        protocol.connection_made(wire)
        wire.protocol = protocol
        for piece in pieces:
            await _settle(protocol)
            if wire.closed:
                break
            assert isinstance(wire.protocol, asyncio.Protocol)
            wire.protocol.data_received(piece)
        for _ in range(3):
            await _settle(protocol)
        assert isinstance(wire.protocol, asyncio.Protocol)
        wire.protocol.connection_lost(None)
        return list(self.log.requests), wire


class _Quick:
    """A plain POST's answer, on the short way."""

    log: Log

    def __init__(self, door: Door, transport: Wire, _: bytes, done: Any, tasks: Any, *, keep_alive: bool) -> None:
        self.transport, self.keep_alive, self.done = transport, keep_alive, done
        self.response_complete = self.disconnected = False
        self.message_event = asyncio.Event()

    def start(self, loop: asyncio.AbstractEventLoop, headers: dict[str, str], body: bytes, peer: Any) -> None:
        kept = tuple((name.encode(), value.encode("latin-1")) for name, value in headers.items())
        self.log.requests.append(Request(b"POST", b"/", kept, body))
        loop.call_soon(self.answer)

    def answer(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        self.response_complete = True
        if not self.keep_alive:
            self.transport.close()
        self.done()

    def gone(self) -> None:
        """The client has gone."""


async def _settle(protocol: GatewayProtocol) -> None:
    for _ in range(12):
        await asyncio.sleep(0)


LENGTHS = (
    *((), (b"content-length: 5",), (b"content-length: 0",), (b"content-length:5",), (b"Content-Length: 005",)),
    *((b"content-length: +5",), (b"content-length: -5",), (b"content-length: 0x5",), (b"content-length: 5, 5",)),
    *(
        (b"content-length: 5,6",),
        (b"content-length: 5", b"content-length: 5"),
        (b"content-length: 5", b"content-length: 35"),
    ),
    *((b"content-length: 5 5",), (b"content-length: ",), (b"content-length: 99999999999999999999999",)),
    *((b"content-length : 5",), (b"content-length: 5\x00",), (b"content_length: 5",), (b" content-length: 5",)),
)
ENCODINGS = (
    *((), (b"transfer-encoding: chunked",), (b"Transfer-Encoding:CHUNKED",), (b"transfer-encoding: \tchunked \t",)),
    *(
        (b"transfer-encoding: gzip, chunked",),
        (b"transfer-encoding: chunked, gzip",),
        (b"transfer-encoding: identity",),
    ),
    *(
        (b"transfer-encoding: chunked", b"transfer-encoding: chunked"),
        (b"transfer-encoding: gzip", b"transfer-encoding: chunked"),
    ),
    *((b"transfer-encoding : chunked",), (b"transfer-encoding: \x0bchunked",), (b"transfer-encoding: chunked;q=1",)),
    *(
        (b"x: y\r\n transfer-encoding: chunked",),
        (b"transfer_encoding: chunked",),
        (b"x: y\ntransfer-encoding: chunked",),
    ),
    *((b"x: y\rtransfer-encoding: chunked",), (b'transfer-encoding: "chunked"',), (b"transfer-encoding:\r\n chunked",)),
)
UPGRADES = (
    *((), (b"connection: upgrade", b"upgrade: junk"), (b"connection: Upgrade, keep-alive", b"upgrade: h2c")),
    *((b"connection: upgrade", b"upgrade: websocket"), (b"connection: upgrade", b"upgrade: websocket, h2c")),
    *((b"connection: upgrade", b"upgrade: TLS/1.0"), (b"upgrade: websocket",), (b"connection: upgrade",)),
    *(
        (b"connection: close",),
        (b"connection: keep-alive",),
        (b"connection: upgrade", b"upgrade: websocket", b"upgrade: h2c"),
    ),
)
LINES = (b"POST / HTTP/1.1", b"GET / HTTP/1.1", b"POST / HTTP/1.0")
BODIES = (b"12345", b"5\r\n12345\r\n0\r\n\r\n")


def message(line: bytes, fields: tuple[bytes, ...], body: bytes) -> bytes:
    return b"\r\n".join((line, b"host: x", *fields)) + b"\r\n\r\n" + body + HIDDEN


def framings() -> Iterator[bytes]:
    """How lengths, encodings and upgrades can meet, each followed by a request of its own."""
    for line, length, encoding, body in itertools.product(LINES, LENGTHS, ENCODINGS, BODIES):
        yield message(line, (*length, *encoding), body)
    for line, length, encoding, upgrade, body in itertools.product(LINES, LENGTHS[:3], ENCODINGS[:2], UPGRADES, BODIES):
        yield message(line, (*upgrade, *length, *encoding), body)


CHUNKS = (
    *(
        b"5\r\n12345\r\n0\r\n\r\n",
        b"05\r\n12345\r\n00\r\n\r\n",
        b"5;a=b\r\n12345\r\n0;c\r\n\r\n",
        b'5;a="b"\r\n12345\r\n0\r\n\r\n',
    ),
    *(
        b"5 \r\n12345\r\n0\r\n\r\n",
        b"5\t;a\r\n12345\r\n0\r\n\r\n",
        b" 5\r\n12345\r\n0\r\n\r\n",
        b"5 a\r\n12345\r\n0\r\n\r\n",
    ),
    *(
        b"+5\r\n12345\r\n0\r\n\r\n",
        b"-5\r\n12345\r\n0\r\n\r\n",
        b"0x5\r\n12345\r\n0\r\n\r\n",
        b"5_0\r\n12345\r\n0\r\n\r\n",
    ),
    *(
        b"5\n12345\r\n0\r\n\r\n",
        b"5\r12345\r\n0\r\n\r\n",
        b"5\r\n12345\n0\r\n\r\n",
        b"5\r\n123450\r\n\r\n",
        b"5\r\n12345\r0\r\n\r\n",
    ),
    *(
        b"5\r\n12345XX0\r\n\r\n",
        b"5\r\n12345\r\n0\n\r\n",
        b"5\r\n12345\r\n0\r\n\n",
        b"5\r\n12345\r\n0\r\n\r",
        b"\r\n\r\n",
    ),
    *(
        b"5\r\n12345\r\n\r\n0\r\n\r\n",
        b"5;\r\n12345\r\n0\r\n\r\n",
        b"5;a\nb\r\n12345\r\n0\r\n\r\n",
        b"5;a\rb\r\n12345\r\n0\r\n\r\n",
    ),
    *(
        b"5;a=\x00\r\n12345\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n12345\r\n0\r\n\r\n",
        b"10000000000000005\r\n12345\r\n0\r\n\r\n",
    ),
    *(
        b"4\r\n\r\n\r\n\r\n0\r\n\r\n",
        b"8\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
        b"6\r\n0\r\n\r\n1\r\n0\r\n\r\n",
        b"g\r\n12345\r\n0\r\n\r\n",
    ),
    *(b"5\r\n12345\r\n0;a\nb\r\n\r\n", b"5\r\n12345\r\n0\r\n \r\n\r\n", b"5\r\n12345\r\n000000000000000000000\r\n\r\n"),
)
TRAILERS = (
    *(
        b"",
        b"x: y\r\n",
        b"authorization: Bearer stolen\r\n",
        b"cookie: session=stolen\r\n",
        b"x : y\r\n",
        b"x\r\n",
        b": y\r\n",
    ),
    *(
        b"content-length: 5\r\n",
        b"content-length: x\r\n",
        b"transfer-encoding: chunked\r\n",
        b"transfer-encoding: gzip\r\n",
    ),
    *(
        b"host: evil\r\n",
        b"x: y\n",
        b"x: a\r\n b\r\n",
        b"x: \x00\r\n",
        b"x: y\r\nx: z\r\n",
        b"GET /hidden HTTP/1.1\r\n",
    ),
    *(b"x-forwarded-for: 1.1.1.1\r\n", b"botberi-assertion: forged\r\n", b"upgrade: websocket\r\n"),
)
FIRST_LINES = (
    *(
        b"GET / HTTP/0.9",
        b"GET /",
        b"GET / HTTP/1.2",
        b"GET / HTTP/2.0",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET\t/ HTTP/1.1",
    ),
    *(
        b"get / HTTP/1.1",
        b"G@T / HTTP/1.1",
        b" GET / HTTP/1.1",
        b"\r\nGET / HTTP/1.1",
        b"\r\n\r\nGET / HTTP/1.1",
        b"\nGET / HTTP/1.1",
    ),
    *(b"GET / http/1.1", b"GET /\x80 HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /a b HTTP/1.1", b"GET http://x/ HTTP/1.1"),
    *(
        b"GET http://evil/ HTTP/1.1",
        b"GET //evil/ HTTP/1.1",
        b"CONNECT x:80 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET * HTTP/1.1",
    ),
    *(
        b"GET x HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"QUERY / HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET ftp://x/ HTTP/1.1",
        b"GET / HTTP/1.1\r",
    ),
)
HOSTS = (
    *(
        (),
        (b"host: x", b"host: x"),
        (b"host: x", b"host: evil"),
        (b"host:",),
        (b"host: x:80",),
        (b"host: [::1]:80",),
        (b"host: x, y",),
    ),
    *(
        (b"host: x y",),
        (b"host: x/y",),
        (b"host: a@b",),
        (b"host : x",),
        (b"Host: x", b"hOST: y"),
        (b"host: \xff",),
        (b"host: x:port",),
    ),
)


def special() -> Iterator[bytes]:
    """Chunks, trailers, request lines and hosts."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    for chunks in CHUNKS:
        yield head + chunks + HIDDEN
    for trailers in TRAILERS:
        yield head + b"5\r\n12345\r\n0\r\n" + trailers + b"\r\n" + HIDDEN
    for line in FIRST_LINES:
        yield line + b"\r\nhost: x\r\n\r\n" + HIDDEN
        yield (
            message(b"POST / HTTP/1.1", (b"content-length: 5",), b"12345")[: -len(HIDDEN)]
            + line
            + b"\r\nhost: x\r\n\r\n"
        )
    for line, host in itertools.product((b"GET / HTTP/1.1", b"GET / HTTP/1.0", b"GET http://x/ HTTP/1.1"), HOSTS):
        yield b"\r\n".join((line, *host)) + b"\r\n\r\n" + HIDDEN
    for byte in range(256):
        yield b"GET / HTTP/1.1\r\nhost: x\r\nx: a%cb\r\n\r\n" % byte + HIDDEN
        yield b"GET / HTTP/1.1\r\nhost: x\r\nx%cy: z\r\n\r\n" % byte + HIDDEN
        yield b"GET /%c HTTP/1.1\r\nhost: x\r\n\r\n" % byte + HIDDEN
    for size in range(1, 25):
        yield head + b"5".rjust(size, b"0") + b"\r\n12345\r\n" + b"0" * size + b"\r\n\r\n" + HIDDEN
    yield HIDDEN * 50
    yield message(b"POST / HTTP/1.1", (b"content-length: 5",), b"12345") * 20


def seen_alike(ours: list[Request], theirs: list[Request]) -> str | None:
    """What is wrong with what we made of some bytes."""
    for index, request in enumerate(ours):
        if request.method == b"WEBSOCKET":
            continue
        if index >= len(theirs):
            return f"accepted what h11 refuses: {request}"
        other = theirs[index]
        if (request.method, request.body) != (other.method, other.body):
            return f"framed differently: {request}, by h11 {other}"
        if other.target.removeprefix(b"http://x").removesuffix(b"?") != request.target:
            return f"another target: {request}, by h11 {other}"
        # h11 writes equal lengths once; the short way joins equal names.
        if {name for name, _ in request.headers} != {name for name, _ in other.headers}:
            return f"other headers: {request}, by h11 {other}"
    return None


@pytest.fixture(params=["quick", "asgi"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield Server(quick=request.param == "quick", monkeypatch=monkeypatch)
    loop.close()


def compare(server: Server, cases: list[tuple[bytes, list[bytes]]]) -> tuple[int, int]:
    """How many cases there were, and how many requests we accepted in them."""
    problems, accepted = [], 0
    loop = asyncio.get_event_loop()
    for data, pieces in cases:
        ours, wire = loop.run_until_complete(server.read(pieces))
        accepted += len(ours)
        theirs = read_by_h11(data)
        problem = seen_alike(ours, theirs)
        if problem is None and b"HTTP/1.1 4" in wire.written and not wire.ended:
            problem = "refused, and the connection goes on"
        if problem is not None:
            problems.append((problem, pieces))
    assert not problems, f"{len(problems)} of {len(cases)}: {problems[:5]}"
    return len(cases), accepted


def test_thousands_of_framings_are_read_as_h11_reads_them_or_refused(server: Server) -> None:
    cases = [(data, [data]) for data in (*framings(), *special())]
    count, accepted = compare(server, cases)
    assert count >= 2_000
    assert accepted > 500, "refusing everything is no answer"


BASES = (
    message(b"POST / HTTP/1.1", (b"content-length: 5",), b"12345"),
    message(b"POST / HTTP/1.1", (b"transfer-encoding: chunked",), b"5;a=b\r\n12345\r\n0\r\nx: y\r\n\r\n"),
    message(b"POST / HTTP/1.1", (b"transfer-encoding: chunked",), b"8\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n"),
    message(b"POST / HTTP/1.1", (b"connection: upgrade", b"upgrade: h2c", b"content-length: 33"), b""),
    message(b"GET / HTTP/1.1", (b"connection: upgrade", b"upgrade: junk", b"content-length: 5"), b"12345"),
    message(b"POST / HTTP/1.1", (b"transfer-encoding: gzip, chunked",), b"5\r\n12345\r\n0\r\n\r\n"),
    message(b"POST / HTTP/1.1", (b"content-length: 5", b"transfer-encoding: chunked"), b"5\r\n12345\r\n0\r\n\r\n"),
    message(b"POST / HTTP/1.1", (b"x: y\ntransfer-encoding: chunked",), b"5\r\n12345\r\n0\r\n\r\n"),
    message(b"POST / HTTP/1.1", (b"content-length: 5",), b"12345\r\n"),
)


def test_a_cut_at_any_byte_changes_nothing(server: Server) -> None:
    cases = [(data, [data[:cut], data[cut:]]) for data in BASES for cut in range(1, len(data))]
    cases += [(data, [data[index : index + 1] for index in range(len(data))]) for data in BASES]
    compare(server, cases)
    loop = asyncio.get_event_loop()
    for data in BASES:
        whole = loop.run_until_complete(server.read([data]))[0]
        for cut in range(1, len(data)):
            parts = loop.run_until_complete(server.read([data[:cut], data[cut:]]))[0]
            assert [(r.method, r.target, r.body) for r in parts] == [(r.method, r.target, r.body) for r in whole], cut


REFUSED = {
    "Upgrade: junk with a body": ((b"connection: upgrade", b"upgrade: junk", b"content-length: 33"), b"GET"),
    "Upgrade: h2c": ((b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAMAAABk"), b"GET"),
    "Upgrade: websocket, h2c": ((b"connection: upgrade", b"upgrade: websocket, h2c"), b"GET"),
    "Upgrade twice": ((b"connection: upgrade", b"upgrade: websocket", b"upgrade: h2c"), b"GET"),
    "a WebSocket with a body": ((b"connection: upgrade", b"upgrade: websocket", b"content-length: 33"), b"GET"),
    "a WebSocket with chunks": ((b"connection: upgrade", b"upgrade: websocket", b"transfer-encoding: chunked"), b"GET"),
    "a WebSocket by POST": ((b"connection: upgrade", b"upgrade: websocket"), b"POST"),
    "a WebSocket without Connection": ((b"upgrade: websocket",), b"GET"),
    "a WebSocket with more behind it": (
        (
            b"connection: upgrade",
            b"upgrade: websocket",
            b"sec-websocket-version: 13",
            b"sec-websocket-key: " + b"A" * 22 + b"==",
        ),
        b"GET",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("packets", [1, 2])
def test_an_upgrade_that_is_no_websocket_handshake_is_refused_and_the_connection_closed(
    server: Server, case: str, packets: int
) -> None:
    fields, method = REFUSED[case]
    data = b"\r\n".join((method + b" /graphql HTTP/1.1", b"host: x", *fields)) + b"\r\n\r\n"
    if case == "a WebSocket with more behind it" and packets == 2:
        pytest.skip("frames may follow in packets of their own")
    pieces = [data + HIDDEN] if packets == 1 else [data, HIDDEN]
    requests, wire = asyncio.get_event_loop().run_until_complete(server.read(pieces))
    assert requests == []
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert wire.written.count(b"HTTP/1.1 ") == 1
    assert wire.ended


def test_a_websocket_handshake_that_is_one_is_admitted_and_nothing_after_it_is_a_request(server: Server) -> None:
    fields = (b"connection: keep-alive, Upgrade", b"upgrade: WebSocket", b"sec-websocket-version: 13")
    head = b"\r\n".join((b"GET /graphql HTTP/1.1", b"host: x", *fields, b"sec-websocket-key: " + b"A" * 22 + b"=="))
    requests, wire = asyncio.get_event_loop().run_until_complete(server.read([head + b"\r\n\r\n", HIDDEN]))
    assert [request.method for request in requests] == [b"WEBSOCKET"]
    assert wire.written.count(b"HTTP/1.1 ") == 1


def test_v10_what_a_trailer_says_reaches_no_application_as_a_header(server: Server) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    data = head + b"5\r\n12345\r\n0\r\nauthorization: Bearer stolen\r\nx-forwarded-for: 1.1.1.1\r\n\r\n" + HIDDEN
    for pieces in ([data], [data[:-60], data[-60:]], [data[index : index + 1] for index in range(len(data))]):
        requests, _ = asyncio.get_event_loop().run_until_complete(server.read(pieces))
        assert [request.target for request in requests] == [b"/", b"/hidden"]
        assert {name for name, _ in requests[0].headers} == {b"host", b"transfer-encoding"}


def test_an_error_behind_a_running_request_never_takes_its_answers_place(server: Server) -> None:
    data = b"GET /first HTTP/1.1\r\nhost: x\r\n\r\nnonsense\r\n\r\n"
    requests, wire = asyncio.get_event_loop().run_until_complete(server.read([data]))
    assert [request.target for request in requests] == [b"/first"]
    statuses = [answer.split()[0] for answer in wire.written.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"400"]
    assert wire.ended
