"""A server that answers each connection with exactly the bytes of a script, and counts what it is asked."""

import asyncio
import json
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Script = Callable[["Connection"], Awaitable[None]]


@dataclass
class Connection:
    """One accepted connection, after a request was read."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    head: bytes = b""
    body: bytes = b""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class Hostile:
    """`requests` are (connection number, head, body), in order."""

    url: str = ""
    #: Connections that are open now.
    open: int = 0
    requests: list[tuple[int, bytes, bytes]] = field(default_factory=list)


@asynccontextmanager
async def hostile(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Hostile]:
    """Runs the script for each request, keep-alive, until it closes the connection or the client does."""
    state = Hostile()
    tasks: set[asyncio.Task[None]] = set()
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        connection = Connection(reader, writer, count)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        state.open += 1
        try:
            while not writer.is_closing():
                connection.head = await reader.readuntil(b"\r\n\r\n")
                lines = connection.head.lower().split(b"\r\n")
                length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
                connection.body = await reader.readexactly(length)
                state.requests.append((connection.number, connection.head, connection.body))
                await script(connection)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            state.open -= 1
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    state.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/graphql"
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        with suppress(Exception):
            await asyncio.gather(*tasks, return_exceptions=True)


def response(
    body: bytes | str | object,
    *,
    status: str = "200 OK",
    content_type: str | None = "application/json",
    headers: tuple[str, ...] = (),
    length: int | None = None,
) -> bytes:
    """An HTTP answer with a content length; objects are written as JSON."""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(data) if length is None else length}", *headers]
    if content_type is not None:
        lines.append(f"content-type: {content_type}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def answers(data: bytes) -> Script:
    """The same bytes to each request."""

    async def script(connection: Connection) -> None:
        await connection.send(data)

    return script


def answers_and_closes(data: bytes) -> Script:
    """The bytes, then the end."""

    async def script(connection: Connection) -> None:
        await connection.send(data)
        connection.writer.close()

    return script


async def hangs(connection: Connection) -> None:
    """Says nothing, keeps the connection."""
    await asyncio.sleep(60)


async def listens(connection: Connection) -> None:
    """Says nothing until the client goes."""
    await connection.reader.read()


async def hangs_within(connection: Connection) -> None:
    await connection.send(response(b'{"data":', length=100))
    await asyncio.sleep(60)


async def drips(connection: Connection) -> None:
    """One byte at a time."""
    await connection.send(response(b"", length=10_000))
    while True:
        await connection.send(b" ")
        await asyncio.sleep(0.02)


def parts(*pieces: bytes, pause: float = 0.001) -> Script:
    """These pieces, each in a packet of its own."""

    async def script(connection: Connection) -> None:
        for piece in pieces:
            await connection.send(piece)
            await asyncio.sleep(pause)

    return script


def without_end(begin: bytes, piece: bytes, pause: float = 0) -> Script:
    """The beginning, then the same piece for ever."""

    async def script(connection: Connection) -> None:
        await connection.send(begin)
        while True:
            await connection.send(piece)
            await asyncio.sleep(pause)

    return script


def resets(begin: bytes = b"") -> Script:
    """Some bytes, then a TCP reset."""

    async def script(connection: Connection) -> None:
        await connection.send(begin)
        await asyncio.sleep(0.01)
        raw = connection.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.writer.transport.abort()

    return script


async def half_closes(connection: Connection) -> None:
    """Says that nothing will come, and goes on reading."""
    if connection.writer.can_write_eof():
        connection.writer.write_eof()
    else:
        connection.writer.close()
    await connection.reader.read()


async def never_ends(connection: Connection) -> None:
    """A chunked body without an end."""
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    await connection.send(b'9\r\n{"data":"\r\n')
    chunk = b"a" * 65536
    while True:
        await connection.send(b"10000\r\n" + chunk + b"\r\n")


def gzip_bomb(size: int) -> bytes:
    """`size` zeros, packed piece by piece: making it takes no memory either."""
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    zeros = b"0" * 1_000_000
    pieces = [packer.compress(b'{"data":{"a":"'), *(packer.compress(zeros) for _ in range(size // len(zeros)))]
    packed = b"".join((*pieces, packer.compress(b'"}}'), packer.flush()))
    return response(packed, headers=("content-encoding: gzip",))
