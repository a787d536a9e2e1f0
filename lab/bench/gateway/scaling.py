"""How ours grows -> tables: CPU by entities of one answer, by cached plans, by subgraphs; two processes against one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from lab.bench.gateway.gateways import ALL, OURS, cores, ours
from lab.bench.gateway.graphs import many
from lab.bench.gateway.run import PROBES, Extent, say
from lab.bench.gateway.running import Running, Sample, WrongAnswer, start
from lab.bench.gateway.site import Site, served
from lab.bench.gateway.workloads import CONNECTIONS, GRAPHS, Operation, Workload, alike, wide, workloads

ENTITIES = (10, 100, 1_000, 10_000)
PLANS = (1, 10, 100, 1_000, 10_000)
SUBGRAPHS = many.SIZES
#: Kept ready, with room above the largest of `PLANS`.
CACHE = 12_000


def tables(folder: Path, extent: Extent) -> Iterator[str]:
    """All four, as Markdown. Quick runs leave out the largest number of plans: each has to be planned first."""
    rounds = max(2, extent.other_rounds)
    yield from _entities(folder, extent.seconds, rounds)
    yield ""
    yield from _plans(folder, extent.seconds, rounds, PLANS[:-1] if extent.others_for else PLANS)
    yield ""
    yield from _subgraphs(folder, extent.seconds, rounds)
    yield ""
    yield from _processes(folder, extent.seconds, rounds)


@contextmanager
def _running(
    site: Site, probe: Operation, *extra: str, on: tuple[str | None, str | None] | None = None
) -> Iterator[Running]:
    """`on` are the gateway's cores, and the load's."""
    launch = None
    if extra:
        launch = lambda site, port: ours(site, port, False, *extra)  # noqa: E731
    running = start(ALL[OURS], site, probe, on or cores(), launch=launch)
    with running.server:
        yield running


def _measured(
    running: Running, cases: list[Workload], seconds: float, rounds: int, at_once: list[int] | None = None
) -> list[float]:
    """Milliseconds of CPU a request of each, the cases taking turns; `at_once` says how many connections each has."""
    at_once = at_once or [CONNECTIONS] * len(cases)
    for one, connections in zip(cases, at_once, strict=True):
        running.verify(one)
        running.warm(one, 0.5, connections)
    seen: list[list[float]] = [[] for _ in cases]
    for _ in range(rounds):
        for one, connections, figures in zip(cases, at_once, seen, strict=True):
            sample = running.load(one, seconds, connections)
            if sample.failures:
                raise WrongAnswer(f"{one.name}: {sample.failures} answers wrong or missing: {sample.note}")
            figures.append(sample.cpu_ms)
    return [median(figures) for figures in seen]


def _entities(folder: Path, seconds: float, rounds: int) -> Iterator[str]:
    cases = [Workload(f"wide {count}", "", "own", (wide(count),)) for count in ENTITIES]
    with served(GRAPHS["own"](), folder / "entities", cores()[1]) as site, _running(site, PROBES["own"]) as running:
        # Fifty answers of ten thousand entities at once would measure how long a request may wait.
        at_once = [max(1, min(CONNECTIONS, 20_000 // count)) for count in ENTITIES]
        figures = _measured(running, cases, seconds, rounds, at_once)
    say("entities measured")
    yield "| entities (three subgraphs) | CPU ms a request | CPU µs an entity | µs for each further entity |"
    yield "|---|---|---|---|"
    for at, (count, cpu) in enumerate(zip(ENTITIES, figures, strict=True)):
        further = (cpu - figures[at - 1]) / (count - ENTITIES[at - 1]) * 1000 if at else None
        yield f"| {count:,} | {cpu:.2f} | {cpu / count * 1000:.2f} | {'' if further is None else f'{further:.2f}'} |"


def _plans(folder: Path, seconds: float, rounds: int, counts: tuple[int, ...]) -> Iterator[str]:
    every = alike(max(counts))
    cases = [Workload(f"plans {count}", "", "public", every[:count]) for count in counts]
    with (
        served(GRAPHS["public"](), folder / "plans", cores()[1]) as site,
        _running(site, PROBES["public"], "--max-cached-operations", str(CACHE)) as running,
    ):
        figures = _measured(running, cases, seconds, rounds)
        memory = running.server.memory()
    say("plans measured")
    yield "| cached plans, in rotation | CPU ms a request |"
    yield "|---|---|"
    for count, cpu in zip(counts, figures, strict=True):
        yield f"| {count:,} | {cpu:.3f} |"
    yield ""
    yield f"Memory after {max(counts):,} plans: {memory:.0f} MB."


def _subgraphs(folder: Path, seconds: float, rounds: int) -> Iterator[str]:
    yield "| subgraphs in the graph | a query of all: CPU ms | CPU µs a subgraph | a query of three: CPU ms |"
    yield "|---|---|---|---|"
    for count in SUBGRAPHS:
        name = f"many{count}"
        cases = [
            Workload(f"{name} all", "", name, (Operation(many.query(count)),)),
            Workload(f"{name} three", "", name, (Operation(many.query(3)),)),
        ]
        with (
            served(GRAPHS[name](), folder / name, cores()[1]) as site,
            _running(site, Operation(many.query(1))) as running,
        ):
            whole, three = _measured(running, cases, seconds, rounds)
        yield f"| {count} | {whole:.3f} | {whole / count * 1000:.1f} | {three:.3f} |"
    say("subgraphs measured")


def _processes(folder: Path, seconds: float, rounds: int) -> Iterator[str]:
    """All of it (load, subgraphs, one process) on one core, and on two cores with two processes, in turn.

    Load and subgraphs need a part of each core, so that both are full in either case, and the clock says what the
    second process brings.
    """
    large = workloads()["large"]
    first, second = cores()
    places = {1: first, 2: None if second is None else f"{first},{second}"}
    seen: dict[int, list[Sample]] = {workers: [] for workers in places}
    with ExitStack() as stack:
        running = {}
        for workers, on in places.items():
            site = stack.enter_context(served(GRAPHS["public"](), folder / f"processes-{workers}", on))
            running[workers] = stack.enter_context(
                _running(site, PROBES["public"], "--workers", str(workers), on=(on, on))
            )
            running[workers].verify(large)
            running[workers].warm(large, 1.0)
        for _ in range(rounds):
            for workers, one in running.items():
                seen[workers].append(one.load(large, seconds))
    say("processes measured")
    yield "| processes, and cores for all | CPU ms a request | share of the busiest process | requests/s |"
    yield "|---|---|---|---|"
    rates = []
    for workers, samples in seen.items():
        cpu, share = median(one.cpu_ms for one in samples), median(max(one.shares) for one in samples)
        rates.append(median(one.requests / one.seconds for one in samples))
        yield f"| {workers} | {cpu:.3f} | {share:.0%} | {rates[-1]:,.0f} |"
    yield ""
    yield f"Two processes on two cores: {rates[1] / rates[0]:.2f} × one on one."
