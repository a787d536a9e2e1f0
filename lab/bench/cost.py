"""`lab bench cost`: runs through `botberi up --stack full` -> CPU seconds and memory of each part, for a run and idle.

CPU time is what the processes used, not what passed: it says the same on a busy machine. What one machine holds, and
how many it takes for a load, is computed from it in docs/operations/sizes.md.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from botberi.run import ports

#: Part -> a sum; `Counter` adds and subtracts.
Usage = Counter[str]
_TICK = os.sysconf("SC_CLK_TCK")
_TEXTS = ["Fast delivery, wonderful coffee.", "It arrived broken and no one answers.", "It is a coffee machine."]
_LOGIN = "mutation ($i: LoginInput!) { login(input: $i) { ... on LoginSuccess { token } } }"
_AGENT = '{ agents(filter: { tag: "text" }) { nodes { id slug } } }'
_RUN = (
    "mutation ($i: CreateInstanceInput!)"
    " { createInstance(input: $i) { ... on CreateInstanceSuccess { instance { id } } } }"
)
_FOLLOW = "subscription ($id: ID!) { instanceUpdated(id: $id) { status isTerminal progress agent { name } } }"
_READ = "{ me { displayName instances(first: 10) { nodes { id status agent { name } } } } }"


@contextmanager
def stack() -> Iterator[tuple[str, Path, subprocess.Popen[str]]]:
    """The full stack on a port and in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="botberi-cost-", dir="/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        state, port = Path(name) / "state", ports.free()
        command = [sys.executable, "-m", "botberi.cli", "up", "--stack", "full", "--state-dir", str(state)]
        command += ["--port", str(port), "--postgres-port", str(ports.free())]
        limits = {"BOTBERI_INSTANCES_ACTIVE_PER_ACCOUNT": "1000", "BOTBERI_RUNS_PER_ACCOUNT": "1000"}
        process = subprocess.Popen(
            command, env=dict(os.environ, **limits), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "Ctrl-C" in line:
                    break
            yield f"http://127.0.0.1:{port}/graphql", state, process
        finally:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(90)
            process.kill()


def usage(root: int) -> tuple["Usage", "Usage"]:
    """CPU seconds, with those of ended children, and resident megabytes, of each part below a process."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    seconds: Usage = Counter()
    megabytes: Usage = Counter()
    for pid in parents:
        chain = [pid]
        while chain[-1] in parents and chain[-1] != root:
            chain.append(parents[chain[-1]])
        if chain[-1] != root:
            continue
        with suppress(OSError, ValueError):
            part = "botberi up" if len(chain) == 1 else _part(chain[-2])
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds[part] += sum(map(int, fields[11:15])) / _TICK  # type: ignore[assignment]
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            megabytes[part] += int(re.findall(r"^Pss: +(\d+)", rollup, re.MULTILINE)[0]) / 1024  # type: ignore[assignment]
    return seconds, megabytes


def _part(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    if "botberi.cli" in words:
        return words[words.index("botberi.cli") + 1]
    if "celery" in words:
        app = words[words.index("--app") + 1]
        return {"celery_app": "worker" if "worker" in words else "flower"}.get(
            app.split(":")[0].removeprefix("workers."), app.split(":")[0].removeprefix("workers.").removesuffix(".app")
        )
    name = Path(words[0].split(":")[0]).name
    return "rabbitmq" if name in ("beam.smp", "rabbitmq-server", "sh", "epmd") else name


async def ask(
    session: aiohttp.ClientSession, url: str, query: str, token: str | None = None, **variables: object
) -> Any:
    """The data of an answer; raises `RuntimeError` for one with errors."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with session.post(url, json={"query": query, "variables": variables}, headers=headers) as answer:
        said = await answer.json()
    if said.get("errors"):
        raise RuntimeError(said["errors"][0]["message"])
    return said["data"]


async def run_one(session: aiohttp.ClientSession, url: str, token: str, agent: str) -> None:
    """Make an instance and follow it to its end, as the console does."""
    given = {"name": "cost", "agentId": agent, "parameters": {"texts": _TEXTS}}
    made = (await ask(session, url, _RUN, token, i=given))["createInstance"]["instance"]["id"]
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    async with session.post(url, json={"query": _FOLLOW, "variables": {"id": made}}, headers=headers) as stream:
        async for line in stream.content:
            if b'"isTerminal":true' in line:
                return


async def load(url: str, state: Path, runs: int, reads: int, at_once: int, root: int) -> None:
    kept = json.loads((state / "credentials.json").read_text())["user"]
    given = {"email": kept["email"], "password": kept["password"]}
    async with aiohttp.ClientSession() as session:
        token = (await ask(session, url, _LOGIN, i=given))["login"]["token"]
        agents = {node["slug"]: node["id"] for node in (await ask(session, url, _AGENT))["agents"]["nodes"]}
        agent = agents["text-insights"]
        await run_one(session, url, token, agent)
        gate = asyncio.Semaphore(at_once)

        async def gated(work: Awaitable[object]) -> None:
            async with gate:
                await work

        idle = usage(root)[0]
        began = time.monotonic()
        await asyncio.sleep(30)
        quiet, waited = usage(root)[0] - idle, time.monotonic() - began
        before, began = usage(root)[0], time.monotonic()
        await asyncio.gather(*(gated(run_one(session, url, token, agent)) for _ in range(runs)))
        took = time.monotonic() - began
        after, memory = usage(root)
        await asyncio.gather(*(gated(ask(session, url, _READ, token)) for _ in range(reads)))
        read = usage(root)[0]
    print(f"{runs} runs of text-insights, {at_once} at once, in {took:.0f} s; {reads} reads; idle for {waited:.0f} s\n")
    print("| part | CPU ms a run | CPU ms a read | idle, % of a core | memory MB |\n|---|---|---|---|---|")
    total = [0.0] * 4
    for part in sorted(memory):
        idling = quiet[part] / waited
        values = (
            max(0.0, (after[part] - before[part] - idling * took) / runs * 1000),
            (read[part] - after[part]) / reads * 1000,
            idling * 100,
            memory[part],
        )
        total = [one + other for one, other in zip(total, values, strict=True)]
        print(f"| {part} | {values[0]:.0f} | {values[1]:.1f} | {values[2]:.1f} | {values[3]:.0f} |")
    print(f"| all | {total[0]:.0f} | {total[1]:.1f} | {total[2]:.1f} | {total[3]:.0f} |")


def cost(
    runs: Annotated[int, typer.Option(min=1, help="Runs of text-insights, each followed to its end.")] = 100,
    reads: Annotated[int, typer.Option(min=1, help="Queries over all three subgraphs.")] = 1000,
    at_once: Annotated[int, typer.Option(min=1, help="Clients at a time.")] = 4,
) -> None:
    """Measure what a run and a read cost each part of the full stack, in CPU time and memory."""
    with stack() as (url, state, process):
        asyncio.run(load(url, state, runs, reads, at_once, process.pid))
