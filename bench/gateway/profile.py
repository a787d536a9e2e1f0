"""A workload -> where ours spends its time: py-spy's samples of the serving process under load, by function and by package."""

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.gateway.gateways import ALL, OURS, cores
from bench.gateway.run import PROBES
from bench.gateway.running import start
from bench.gateway.site import served
from bench.gateway.workloads import GRAPHS, Workload
from bench.peers import CACHE, ROOT, PeersMissing

PY_SPY = "0.4.1"
SECONDS = 10
#: Samples a second; no round number, so as not to beat in time with anything.
RATE = 997
TOP = 30


def profiled(workload: Workload, folder: Path) -> Iterator[str]:
    """Two tables: what ran (its own time), and what had called (its own and below). Lines of a function are added up."""
    stacks = folder / "stacks.txt"
    with served(GRAPHS[workload.graph](), folder / workload.graph, cores()[1]) as site:
        running = start(ALL[OURS], site, PROBES[workload.graph], cores())
        with running.server:
            running.verify(workload)
            running.warm(workload, 2.0)
            command = [str(_py_spy()), "record", "--pid", str(running.server.pid), "--duration", str(SECONDS)]
            command += ["--rate", str(RATE), "--format", "raw", "--nonblocking", "--output", str(stacks)]
            recorder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            time.sleep(0.5)
            sample = running.load(workload, SECONDS)
            said, _ = recorder.communicate(timeout=60)
    if recorder.returncode or not stacks.exists():
        raise PeersMissing(f"py-spy can't look into the gateway: {said.strip()[-300:]}")
    yield f"{workload.name}: {sample.cpu_ms:.3f} ms of CPU a request, {sample.calls:.1f} subgraph calls"
    yield from told(stacks.read_text().splitlines())


def told(stacks: Iterable[str]) -> Iterator[str]:
    """Lines `frame;frame;… COUNT`, outermost first, as py-spy writes them -> the tables."""
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        names = [_plain(frame) for frame in frames.split(";")]
        own[names[-1]] += int(count)
        places[_place(names[-1])] += int(count)
        for name in set(names):
            below[name] += int(count)
    whole = max(1, sum(own.values()))
    for title, counted in (("own time", own), ("own time by file", places), ("with all below", below)):
        yield ""
        yield f"| {title} | share |"
        yield "|---|---|"
        yield from (f"| {name} | {count / whole:.1%} |" for name, count in counted.most_common(TOP))


def _plain(frame: str) -> str:
    """`name (path:line)` without the line and what is before the package."""
    name, _, place = frame.rpartition(" (")
    path = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    for prefix in (f"{ROOT}/", "site-packages/", "lib/python"):
        path = path.rpartition(prefix)[2]
    return f"{name} ({path})"


def _place(name: str) -> str:
    return name.rpartition("(")[2].rstrip(")")


def _py_spy() -> Path:
    """The program, installed into the cache the first time. Raises `PeersMissing`."""
    if found := shutil.which("py-spy"):
        return Path(found)
    folder = CACHE / f"py-spy-{PY_SPY}"
    program = folder / "bin" / "py-spy"
    if not program.exists():
        uv = shutil.which("uv") or next((str(one) for one in ROOT.glob(".uv/**/bin/uv")), None)
        tool = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
        command = [*tool, "install", "--quiet", "--target", str(folder), f"py-spy=={PY_SPY}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        if done.returncode or not program.exists():
            raise PeersMissing(f"--profile needs py-spy, and it can't be installed: {done.stderr.strip()[-300:]}")
    return program
