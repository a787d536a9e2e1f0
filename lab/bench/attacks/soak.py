"""`lab bench soak`: a stream of distinct operations against a started gateway or platform, and the curve of its memory (V11)."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer


def soak(
    operations: Annotated[int, typer.Option(min=1_000, help="Distinct operations, sent one after another.")] = 500_000,
    checkout: Annotated[Path, typer.Option(help="Another checkout, with its own .venv.")] = Path(),
    connections: Annotated[int, typer.Option(min=1, help="Connections side by side.")] = 4,
    limit: Annotated[
        float, typer.Option(help="Megabytes that the process may have in the end; more is exit code 1.")
    ] = 250,
    write: Annotated[Path | None, typer.Option(help="A file for the curve, as JSON lines.")] = None,
) -> None:
    """Send operations that differ in an alias, as clients do that write literals into queries; print the process' memory meanwhile."""
    from lab.bench.attacks.platform import NotStarted, running
    from lab.bench.peers import PeersMissing

    try:
        with running(checkout.resolve()) as platform:
            curve = asyncio.run(_run(platform, operations, connections))
    except (NotStarted, FileNotFoundError) as error:
        raise PeersMissing(f"the platform did not start: {error}") from None
    if write is not None:
        write.write_text("".join(json.dumps(point) + "\n" for point in curve))
    if curve[-1]["mb"] > limit:
        raise typer.Exit(1)


async def _run(platform: Any, operations: int, connections: int) -> list[dict[str, float]]:
    curve: list[dict[str, float]] = []
    began, sent = time.perf_counter(), 0

    def note() -> None:
        point = {
            "operations": sent,
            "seconds": round(time.perf_counter() - began, 1),
            "mb": round(platform.resident(), 1),
        }
        curve.append(point)
        typer.echo(f"{point['operations']:>9,} operations {point['seconds']:>8} s {point['mb']:>7} MB")

    async def send(first: int, step: int) -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection("127.0.0.1", platform.port)
        try:
            for number in range(first, operations, step):
                body = json.dumps({"query": f"{{agents(first:1){{nodes{{id x{number}:name}}}}}}"}).encode()
                head = f"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in answer.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                )
                await reader.readexactly(length)
                sent += 1
                if sent % max(operations // 50, 500) == 0:
                    note()
        finally:
            writer.close()

    note()
    await asyncio.gather(*(send(first, connections) for first in range(connections)))
    note()
    return curve
