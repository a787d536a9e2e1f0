"""A workload -> where ours spends its CPU time under load, by function and by file."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.bench.gateway.gateways import ALL, OURS, Launch, cores, ours
from lab.bench.gateway.run import PROBES
from lab.bench.gateway.running import start
from lab.bench.gateway.site import Site, served
from lab.bench.gateway.workloads import GRAPHS, Workload
from lab.bench.peers import ROOT

SECONDS = 10
TOP = 30


def profiled(workload: Workload, folder: Path) -> Iterator[str]:
    """Three tables: what ran, by function and by file, and what had called (its own time and all below)."""
    stacks = folder / "stacks.txt"

    def launch(site: Site, port: int) -> Launch:
        plain = ours(site, port, False)
        options = plain.command[plain.command.index("serve") :]
        return Launch([sys.executable, "-m", "lab.bench.gateway.sampled", str(stacks), *options], plain.cwd)

    with served(GRAPHS[workload.graph](), folder / workload.graph, cores()[1]) as site:
        running = start(ALL[OURS], site, PROBES[workload.graph], cores(), launch=launch)
        with running.server:
            running.verify(workload)
            running.warm(workload, 2.0)
            os.kill(running.server.pid, signal.SIGUSR1)
            sample = running.load(workload, SECONDS)
    yield (
        f"{workload.name}: {sample.cpu_ms:.3f} ms of CPU a request (sampling included), "
        f"{sample.calls:.1f} subgraph calls"
    )
    yield from tables(stacks.read_text().splitlines())


def tables(stacks: Iterable[str]) -> Iterator[str]:
    """Lines `frame;frame;… COUNT`, outermost first -> the tables."""
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
    # What is below everything, from the interpreter's start to the event loop, says nothing.
    for name in [name for name, count in below.items() if count > 0.97 * whole]:
        del below[name]
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
