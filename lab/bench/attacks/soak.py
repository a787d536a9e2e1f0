"""`lab bench soak`: a stream of distinct operations against gateway and platform, and the curve of memory (V11)."""

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import typer

from lab.bench.gateway.process import Server, free_port, resident

#: The graph that the gateway alone serves: what the operations ask the platform for, from one subgraph.
_SDL: Final = (
    "type Query { agents(first: Int!): Agents! } type Agents { nodes: [Agent!]! } type Agent { id: ID! name: String! }"
)
_START_SECONDS: Final = 60.0
_ALIAS: Final = re.compile(rb"x\d+")


class Subject(StrEnum):
    """Whose memory is looked at."""

    GATEWAY = "gateway"
    PLATFORM = "platform"


@dataclass(frozen=True)
class _Running:
    port: int
    pid: int


def soak(
    operations: Annotated[int, typer.Option(min=1_000, help="Distinct operations, sent one after another.")] = 500_000,
    subject: Annotated[
        list[Subject] | None, typer.Option(help="The gateway alone, the platform; both unless named. Repeatable.")
    ] = None,
    checkout: Annotated[Path, typer.Option(help="The platform of another checkout, with its own .venv.")] = Path(),
    connections: Annotated[int, typer.Option(min=1, help="Connections side by side.")] = 4,
    limit: Annotated[
        float, typer.Option(help="Megabytes that the process may have at any point; more is exit code 1.")
    ] = 250,
    write: Annotated[Path | None, typer.Option(help="A file for the curves, as JSON lines.")] = None,
) -> None:
    """Send operations that differ in an alias, as from clients that write literals into queries; print the memory."""
    points = [
        point
        for chosen in subject or list(Subject)
        for point in asyncio.run(_soak(chosen, checkout.resolve(), operations, connections))
    ]
    if write is not None:
        write.write_text("".join(json.dumps(point) + "\n" for point in points))
    if max(point["mb"] for point in points) > limit:
        raise typer.Exit(1)


async def _soak(subject: Subject, checkout: Path, operations: int, connections: int) -> list[dict[str, Any]]:
    if subject is Subject.GATEWAY:
        async with _gateway() as running:
            return await _run(subject, running, operations, connections)
    from lab.bench.attacks.platform import NotStarted
    from lab.bench.attacks.platform import running as running_platform
    from lab.bench.peers import PeersMissing

    try:
        with running_platform(checkout) as platform:
            return await _run(subject, _Running(platform.port, platform.pid), operations, connections)
    except (NotStarted, FileNotFoundError) as error:
        raise PeersMissing(f"the platform did not start: {error}") from None


@asynccontextmanager
async def _gateway() -> AsyncIterator[_Running]:
    """`botberi-gateway serve` before one subgraph, which this process is."""
    subgraph = await asyncio.start_server(_answer_requests, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{subgraph.sockets[0].getsockname()[1]}/graphql"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "subgraphs.json"
        graph.write_text(json.dumps([{"name": "catalog", "url": url, "sdl": _SDL}]))
        command = [sys.executable, "-m", "botberi_gateway", "serve", "--input", str(graph), "--port", str(port)]
        with Server([*command, "--no-access-log"], Path(folder) / "log") as server:
            await _until_ready(server, port)
            yield _Running(port, server.pid)
    subgraph.close()


async def _until_ready(server: Server, port: int) -> None:
    async with asyncio.timeout(_START_SECONDS), aiohttp.ClientSession() as session:
        while server.running:
            try:
                async with session.get(f"http://127.0.0.1:{port}/health") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise RuntimeError(f"the gateway did not start: {server.last_words()}")


async def _answer_requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The subgraph's side of a connection: an agent, under the alias that the request has."""
    try:
        while True:
            body = await _read_body(reader)
            agent = {"id": "1", _ALIAS.findall(body)[0].decode(): "Text insights"}
            answer = json.dumps({"data": {"agents": {"nodes": [agent]}}}).encode()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
            writer.write(head + answer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _read_body(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(int(re.findall(rb"(?i)content-length: *(\d+)", head)[0]))


async def _run(subject: Subject, running: _Running, operations: int, connections: int) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = []
    began, sent = time.perf_counter(), 0

    def note() -> None:
        seconds, megabytes = round(time.perf_counter() - began, 1), round(resident(running.pid), 1)
        curve.append({"subject": subject.value, "operations": sent, "seconds": seconds, "mb": megabytes})
        typer.echo(f"{subject.value:<8} {sent:>9,} operations {seconds:>8} s {megabytes:>7} MB")

    async def send(first: int) -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        try:
            for number in range(first, operations, connections):
                body = json.dumps({"query": f"{{agents(first:1){{nodes{{id x{number}:name}}}}}}"}).encode()
                head = b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
                answer = json.loads(await _read_body(reader))
                assert f"x{number}" in answer["data"]["agents"]["nodes"][0], answer
                sent += 1
                if sent % max(operations // 50, 500) == 0:
                    note()
        finally:
            writer.close()

    note()
    await asyncio.gather(*(send(first) for first in range(connections)))
    return curve
