"""Gateways, workloads, a time -> results: all of a graph's gateways run side by side and take turns in every round."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lab.bench.gateway.figures import Results
from lab.bench.gateway.gateways import ALL, OURS, Gateway, cores
from lab.bench.gateway.graphs import public
from lab.bench.gateway.running import Running, WrongAnswer, start
from lab.bench.gateway.site import Site, served
from lab.bench.gateway.workloads import GRAPHS, Operation, Workload, workloads

#: A first answer: the public benchmark's large query, and the least of ours.
PROBES = {"public": Operation(public.query("large")), "own": Operation("{ items(first: 2) { id price } }")}
PROBES |= {"guarded": PROBES["own"], "slow": PROBES["own"], "choices": Operation("{ things { id f0 f9 } }")}
#: Gateways that a quick run has on workloads beyond the headline.
QUICK = (OURS, "hive-router")


@dataclass(frozen=True)
class Extent:
    """How much is measured. Times are in seconds."""

    rounds: int = 4
    seconds: float = 2.0
    #: Of workloads beyond the public benchmark's queries, and of gateways with deduplication on.
    other_rounds: int = 3
    other_seconds: float = 1.4
    starts: int = 3
    warm: float = 1.0
    dedupe: bool = True
    #: Workloads beyond the headline for these gateways alone; empty for all.
    others_for: tuple[str, ...] = ()


FULL = Extent()
SHORT = Extent(
    rounds=2, seconds=1.0, other_rounds=2, other_seconds=0.8, starts=1, warm=0.5, dedupe=False, others_for=QUICK
)


def say(text: str) -> None:
    """Progress, apart from the results."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run(names: Sequence[str], chosen: Sequence[Workload], extent: Extent, folder: Path) -> Results:
    """Installs what is missing, then measures. Raises `PeersMissing`."""
    gateways = [ALL[name] for name in names]
    for gateway in gateways:
        gateway.install()
    results = Results()
    for graph in dict.fromkeys(one.graph for one in chosen):
        _graph(graph, gateways, [one for one in chosen if one.graph == graph], extent, folder, results)
    return results


def _graph(
    graph: str, gateways: Sequence[Gateway], chosen: Sequence[Workload], extent: Extent, folder: Path, results: Results
) -> None:
    pinned = cores()
    with served(GRAPHS[graph](), folder / graph, pinned[1]) as site, ExitStack() as stack:
        if graph == "public":
            _cold_starts(gateways, site, extent, results)
        running = list(_start(gateways, site, chosen, extent, results, stack))
        for workload in chosen:
            taking = [
                one for one in running if _takes(one, workload, extent) and _ready(one, workload, extent, results)
            ]
            _rounds(taking, workload, extent, results)


def _cold_starts(gateways: Sequence[Gateway], site: Site, extent: Extent, results: Results) -> None:
    """More starts than the measured process's one: a start is a single event, and the median of three is steadier."""
    for _ in range(extent.starts - 1):
        for gateway in gateways:
            try:
                one = start(gateway, site, PROBES["public"], cores())
            except WrongAnswer:
                continue
            one.server.stop()
            results.cold.setdefault(one.label, []).append(one.cold_start)


def _start(
    gateways: Sequence[Gateway],
    site: Site,
    chosen: Sequence[Workload],
    extent: Extent,
    results: Results,
    stack: ExitStack,
) -> Iterator[Running]:
    headline = any(one.is_headline for one in chosen)
    for dedupe in (False, True) if headline and extent.dedupe else (False,):
        for gateway in gateways:
            if dedupe and not gateway.can_dedupe:
                continue
            if not headline and extent.others_for and gateway.name not in extent.others_for:
                continue
            try:
                one = start(gateway, site, PROBES[site.graph.name], cores(), dedupe=dedupe)
            except WrongAnswer as error:
                label = f"{gateway.name}+dedupe" if dedupe else gateway.name
                say(f"{label} on the {site.graph.name} graph: {error}")
                for workload in chosen:
                    if workload.is_headline or not dedupe:
                        results.of(workload.name, label).wrong = str(error)
                continue
            stack.callback(one.server.stop)
            say(f"{one.label} answers after {one.cold_start:.2f} s")
            if site.graph.name == "public":
                results.cold.setdefault(one.label, []).append(one.cold_start)
            yield one


def _takes(running: Running, workload: Workload, extent: Extent) -> bool:
    if workload.is_headline:
        return True
    return not running.dedupe and (not extent.others_for or running.gateway.name in extent.others_for)


def _ready(running: Running, workload: Workload, extent: Extent, results: Results) -> bool:
    """Its answers are right, and it is warm."""
    try:
        running.verify(workload)
        # The first workload warms most of a process; those after it find it warm.
        share = 1.0 if workload.name == "large" else 0.3
        running.warm(workload, running.gateway.warm * share * extent.warm)
    except (WrongAnswer, OSError) as error:
        say(f"{running.label} can't do {workload.name}: {error}")
        results.of(workload.name, running.label).wrong = str(error)
        return False
    return True


def _rounds(taking: Sequence[Running], workload: Workload, extent: Extent, results: Results) -> None:
    began = time.monotonic()
    plain = workload.is_headline
    for number in range(extent.rounds if plain else extent.other_rounds):
        for one in taking:
            if one.dedupe and number >= extent.other_rounds - 1:
                continue
            sample = one.load(workload, extent.seconds if plain else extent.other_seconds)
            series = results.of(workload.name, one.label)
            if sample.failures > sample.requests // 100 or not sample.requests:
                series.wrong = (
                    f"{sample.failures} of {sample.requests} answers wrong or missing under load: {sample.note}"
                )
                say(f"{one.label}, {workload.name}: {series.wrong}")
            if sample.requests:
                series.samples.append(sample)
    for one in taking:
        results.of(workload.name, one.label).rss_mb = one.server.memory()
    say(f"{workload.name}: {time.monotonic() - began:.0f} s")


def by_name(names: Sequence[str]) -> list[Workload]:
    """Workloads in the order of the tables. Raises `KeyError` for a name that there isn't."""
    known = workloads()
    for name in names:
        known[name]
    return [one for name, one in known.items() if name in names]
