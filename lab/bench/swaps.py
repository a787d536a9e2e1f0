"""`lab bench swaps`: the graph is swapped once a second under load; what fails, and latency beside the quiet one.

The gateway is a process of its own, with a configuration's file and SDL files that are rewritten while clients ask for
twenty operations at a steady rate. Its subgraphs, with invented data, are another process.
"""

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import typer
from typer import Option

from lab.bench.gateway.process import free_port

_LINK: Final = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'
ACCOUNTS: Final = (
    _LINK + 'type Query { me: User users: [User!]! } type User @key(fields: "id") { id: ID! name: String! }'
)
#: Types beside those that are asked for: composing and planning take some time.
_PADDING: Final = "\n".join(f"type Padding{i} {{ a: Int b: String c: [Padding{(i + 1) % 200}!] }}" for i in range(200))
#: Quiet and swapped parts take turns of this length.
_TURN_SECONDS: Final = 5.0
_FIELDS: Final = ("id", "name", "reviews { body }", "reviews { stars }", "reviews { body stars }")


def reviews(number: int) -> str:
    """The SDL of the second subgraph, with one field that differs."""
    return (
        f'{_LINK}type User @key(fields: "id") {{ id: ID! reviews: [Review!]! }}\n'
        f"type Review {{ body: String! stars: Int! version{number}: Int padding: Padding0 }}\n{_PADDING}"
    )


def operations() -> list[str]:
    """Twenty operations, most of which need both subgraphs."""
    return [
        f"query Op{i}{j} {{ {root} {{ __typename {one} {other} }} }}"
        for i, (root, one) in enumerate((root, one) for root in ("me", "users") for one in _FIELDS[:2])
        for j, other in enumerate(_FIELDS)
    ]


@dataclass(slots=True)
class Phase:
    """What the clients saw in one part of the measurement."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of requests was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


@dataclass(slots=True)
class Outcome:
    """The quiet part, the one with swaps, and how many graphs the gateway took."""

    quiet: Phase
    swapped: Phase
    swaps: int


def measure(seconds: float, quiet_seconds: float, rate: float) -> Outcome:
    """Run it: `rate` requests a second for the quiet time, then with a swap each second."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = [free_port(), free_port()]
        stack.enter_context(_process([sys.executable, "-m", "lab.bench.swaps", str(ports[0])], ports[0]))
        _write(folder / "reviews.graphql", reviews(0))
        (folder / "accounts.graphql").write_text(ACCOUNTS)
        graph: dict[str, Any] = {
            name: {"url": f"http://127.0.0.1:{ports[0]}/{name}", "schema": {"file": f"{name}.graphql"}}
            for name in ("accounts", "reviews")
        }
        config = {
            "server": {"port": ports[1], "access_log": False},
            "graph": {"subgraphs": graph, "watch_interval_seconds": 0.1},
        }
        (folder / "gateway.json").write_text(json.dumps(config))
        command = [sys.executable, "-m", "botberi_gateway", "serve", "--config", str(folder / "gateway.json")]
        stack.enter_context(_process([*command, "--log-level", "warning"], ports[1]))
        return asyncio.run(_measure(f"http://127.0.0.1:{ports[1]}", folder, seconds, quiet_seconds, rate))


async def _measure(url: str, folder: Path, seconds: float, quiet_seconds: float, rate: float) -> Outcome:
    total = seconds
    async with aiohttp.ClientSession() as session:
        await _load(session, url, 3.0, rate, Phase())  # plans are made, programs compiled
        quiet, swapped, number = Phase(), Phase(), 0
        # In turns: what else the machine does is then in both.
        while turn := min(_TURN_SECONDS, seconds):
            await _load(session, url, quiet_seconds * turn / total, rate, quiet)
            swapping = asyncio.create_task(_swap(folder, number))
            await _load(session, url, turn, rate, swapped)
            swapping.cancel()
            seconds, number = seconds - turn, number + 1000
            await asyncio.sleep(1)
        async with session.get(f"{url}/metrics") as answer:
            page = await answer.text()
    applied = next(line for line in page.splitlines() if line.startswith('gateway_schema_updates_total{outcome="appl'))
    return Outcome(quiet, swapped, int(float(applied.rpartition(" ")[2])))


async def _swap(folder: Path, number: int) -> None:
    while True:
        number += 1
        await asyncio.to_thread(_write, folder / "reviews.graphql", reviews(number))
        await asyncio.sleep(1.0)


async def _load(session: aiohttp.ClientSession, url: str, seconds: float, rate: float, phase: Phase) -> None:
    documents, running = operations(), set[asyncio.Task[None]]()
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        task = asyncio.create_task(_ask(session, url, documents[number % len(documents)], phase))
        running.add(task)
        task.add_done_callback(running.discard)
        number += 1
        await asyncio.sleep(random.expovariate(rate))
    if running:
        await asyncio.wait(set(running), timeout=30)


async def _ask(session: aiohttp.ClientSession, url: str, query: str, phase: Phase) -> None:
    began = time.perf_counter()
    try:
        async with session.post(f"{url}/graphql", json={"query": query}) as answer:
            body = await answer.json()
            if answer.status != 200 or "errors" in body or not body.get("data"):
                phase.failures.append(f"{answer.status}: {str(body)[:200]}")
                return
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        phase.failures.append(repr(error))
        return
    phase.latencies.append(time.perf_counter() - began)


def _write(file: Path, text: str) -> None:
    """Replace the file as a whole: half of one is no SDL."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


@contextmanager
def _process(command: Sequence[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, env={**os.environ})
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[2]} did not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def subgraphs(port: int) -> None:
    """Serve both subgraphs, which know every version of the SDL that is asked for."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from botberi_gateway.upstream.mock import mock_client
    from botberi_gateway.upstream.port import SubgraphRequest

    clients = {"accounts": mock_client("accounts", ACCOUNTS), "reviews": mock_client("reviews", reviews(0))}

    async def answer(request: Request) -> JSONResponse:
        body = await request.json()
        result = await clients[request.path_params["name"]].execute(
            SubgraphRequest(body["query"], body.get("variables") or {}, body.get("operationName"))
        )
        return JSONResponse({"data": result.data} | ({"errors": list(result.errors)} if result.errors else {}))

    app = Starlette(routes=[Route("/{name}", answer, methods=["POST"])])
    uvicorn.run(app, port=port, log_level="error", access_log=False)


def swaps(
    seconds: Annotated[float, Option(min=1, help="How long the graph is swapped once a second.")] = 30,
    quiet_seconds: Annotated[float, Option("--quiet", min=1, help="How long it is measured without swaps.")] = 15,
    rate: Annotated[float, Option(min=1, help="Requests a second.")] = 100,
    as_json: Annotated[bool, Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Swap the graph once a second under load. Exit code 1: a request failed, or p99 is over three times as long."""
    outcome = measure(seconds, quiet_seconds, rate)
    quiet, swapped = outcome.quiet, outcome.swapped
    ratio = swapped.quantile(0.99) / max(quiet.quantile(0.99), 0.001)
    for name, phase in (("quiet", quiet), ("with swaps", swapped)):
        print(
            f"{name}: {len(phase.latencies)} requests, {len(phase.failures)} failed, p50 {phase.quantile(0.5):.1f} ms, "
            f"p99 {phase.quantile(0.99):.1f} ms"
        )
    print(f"{outcome.swaps} graphs in {seconds:g} s; p99 is {ratio:.2f} times the quiet one")
    for failure in swapped.failures[:5]:
        print(f"  {failure}")
    if as_json:
        print(json.dumps({"failed": len(swapped.failures), "swaps": outcome.swaps, "p99_ratio": round(ratio, 2)}))
    if swapped.failures or quiet.failures or ratio > 3:
        raise typer.Exit(1)


if __name__ == "__main__":
    subgraphs(int(sys.argv[1]))
