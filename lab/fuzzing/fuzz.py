"""Seeds -> pairs, run one after another; what they covered, and the first that failed."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from botberi_gateway.executor import ExecutorKind
from lab.fuzzing.compare import Mismatch
from lab.fuzzing.graph import Graph, make_graph
from lab.fuzzing.operation import random_operation
from lab.fuzzing.pair import Arena, Case, Refused
from lab.fuzzing.world import Trouble

#: Operations on one graph: composing costs as much as ten of them.
PER_GRAPH = 40

#: A graph and its seed -> operations for it, with their features.
Cases: TypeAlias = Callable[[Arena, int], Iterator[tuple[int, Case, Counter[str]]]]


@dataclass(frozen=True)
class Finding:
    """A pair that failed, and how to repeat it."""

    seed: int
    index: int
    problem: str
    case: Case
    plan: str = ""


@dataclass
class Report:
    """Results of a run."""

    pairs: int = 0
    graphs: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    calls: int = 0
    seconds: float = 0.0
    features: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


def some_trouble(seed: int) -> Trouble:
    """Half of all pairs only have nulls; the others errors, forbidden nulls or failing calls."""
    chosen = random.Random(seed)
    nulls = chosen.choice((0, 50, 150, 300))
    roll, unknown = chosen.random(), random.Random(f"{seed} unknown").choice((0, 200, 500))
    if roll < 0.45:
        return Trouble(seed, nulls, unknown=unknown)
    if roll < 0.75:
        errors, broken = chosen.choice((30, 100, 300)), chosen.choice((0, 30, 100))
        return Trouble(seed, nulls, errors=errors, broken=broken, unknown=unknown)
    how = chosen.choice(("unreachable", "no data", "timeout", "status"))
    calls = {chosen.randrange(5) for _ in range(chosen.choice((1, 1, 2)))}
    return Trouble(seed, nulls, failing=tuple(sorted(calls)), how=how, unknown=unknown)


def cases(arena: Arena, seed: int, count: int = PER_GRAPH) -> Iterator[tuple[int, Case, Counter[str]]]:
    """Operations for one graph."""
    for index in range(count):
        own = seed * 1000 + index
        trouble = some_trouble(own)
        made = random_operation(arena.supergraph.api_schema, own, mutations=not trouble.failing)
        variables = made.variables
        if variables and own % 40 == 0:
            variables = variables | {next(iter(variables)): {"never": "fits"}}
        yield index, Case(arena.graph, made.document, variables, trouble), made.features


def deferred_cases(arena: Arena, seed: int) -> Iterator[tuple[int, Case, Counter[str]]]:
    """Operations with `@defer` alone, each with errors or failing calls: where most of the last mismatches were."""
    for index, case, features in cases(arena, seed, PER_GRAPH * 10):
        if "@defer" in case.document:
            trouble = case.trouble
            if not (trouble.errors or trouble.failing):
                trouble = replace(trouble, errors=random.Random(index).choice((30, 100, 300)))
            yield index, replace(case, trouble=trouble), features


def fuzz(
    pairs: int,
    seed: int,
    *,
    source: Cases = cases,
    stop_at: int = 1,
    until: float | None = None,
    make: Callable[[int], Graph] = make_graph,
    progress: Callable[[Report], None] | None = None,
    executor: ExecutorKind = ExecutorKind.BOTH,
) -> Report:
    """Run `pairs` pairs of `source` from `seed` on; end early at `stop_at` findings, or at the time `until`."""
    report = Report()
    begun = time.monotonic()
    while report.pairs < pairs and len(report.findings) < stop_at and (until is None or time.monotonic() < until):
        asyncio.run(_graph(report, seed, pairs, source, stop_at, make, executor))
        seed += 1
        report.seconds = time.monotonic() - begun
        if progress is not None:
            progress(report)
    return report


async def _graph(
    report: Report,
    seed: int,
    pairs: int,
    source: Cases,
    stop_at: int,
    make: Callable[[int], Graph],
    executor: ExecutorKind,
) -> None:
    graph = make(seed)
    try:
        arena = Arena(graph, executor)
    except Refused as refused:
        report.refused[str(refused)] += 1
        return
    except Mismatch as mismatch:
        report.findings.append(Finding(seed, -1, str(mismatch), Case(graph, "{ __typename }", {}, Trouble())))
        return
    report.graphs += 1
    for index, case, features in source(arena, seed):
        outcome = await arena.run(case.document, case.variables, case.trouble)
        if outcome.skipped:
            report.skipped += 1
            continue
        report.pairs += 1
        report.calls += outcome.calls
        for name in (*(+features), *(+outcome.features)):
            report.features[name] += 1
        if outcome.problem:
            report.findings.append(Finding(seed, index, outcome.problem, case, str(outcome.plan or "")))
        if report.pairs >= pairs or len(report.findings) >= stop_at:
            return
