"""`lab fuzz`: a run with its tables, or the oracle's own test; exit code 1 where something is wrong."""

import logging
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from botberi_gateway.executor import ExecutorKind
from lab.fuzzing.folder import write_case
from lab.fuzzing.fuzz import Cases, Finding, Report, cases, deferred_cases, fuzz
from lab.fuzzing.pair import describe
from lab.fuzzing.planted import BUGS, Found, hunt
from lab.fuzzing.shrink import shrink

#: Far apart, so that processes never run the same graph.
STRIDE = 10_000_000

#: A run ends early at so many mismatches: more of them tell little that is new.
ENOUGH = 20

#: Pairs between two lines of progress.
PROGRESS_PAIRS = 2_000


def run(
    pairs: int,
    seed: int | None,
    processes: int,
    keep: Path | None,
    executor: ExecutorKind = ExecutorKind.BOTH,
    minutes: float | None = None,
    deferred: bool = False,
) -> int:
    """Run pairs, print what was covered; failing cases shrink and are kept as folders."""
    seed = seed if seed is not None else int(time.time()) % 1_000_000
    print(f"{pairs} pairs from seed {seed} in {processes} process(es)", flush=True)
    logging.disable(logging.ERROR)
    begun = time.monotonic()
    share = -(-pairs // processes)
    source = deferred_cases if deferred else cases
    report = Report()
    if processes == 1:
        _add(report, _quiet(pairs, seed, executor, minutes, source, _Progress()))
    else:
        with ProcessPoolExecutor(processes) as pool:
            for done in as_completed(
                [pool.submit(_quiet, share, seed + n * STRIDE, executor, minutes, source) for n in range(processes)]
            ):
                _add(report, done.result())
    seconds = time.monotonic() - begun
    print(coverage(report))
    print(f"{report.pairs} pairs, {report.graphs} graphs, {report.calls} subgraph calls, {seconds:.0f} s: ", end="")
    print(f"{len(report.findings)} mismatches")
    for finding in report.findings:
        _tell(finding, keep)
    return 1 if report.findings else 0


def _quiet(
    pairs: int,
    seed: int,
    executor: ExecutorKind,
    minutes: float | None,
    source: Cases,
    progress: "_Progress | None" = None,
) -> Report:
    """Failing calls are part of it: their log lines are not news."""
    logging.disable(logging.ERROR)
    until = None if minutes is None else time.monotonic() + minutes * 60
    return fuzz(pairs, seed, source=source, stop_at=ENOUGH, until=until, executor=executor, progress=progress)


class _Progress:
    """Tells on standard error how far a run is, and at once what it found: a long one is looked at while it runs."""

    def __init__(self) -> None:
        self._reported_pairs = 0
        self._reported_findings = 0

    def __call__(self, report: Report) -> None:
        for finding in report.findings[self._reported_findings :]:
            problem = finding.problem.splitlines()[0]
            print(f"seed {finding.seed}, operation {finding.index}: {problem}", file=sys.stderr, flush=True)
        self._reported_findings = len(report.findings)
        if report.pairs >= self._reported_pairs + PROGRESS_PAIRS:
            self._reported_pairs = report.pairs
            print(f"{report.pairs} pairs, {report.seconds:.0f} s", file=sys.stderr, flush=True)


def _add(report: Report, other: Report) -> None:
    for name in ("pairs", "graphs", "skipped", "calls"):
        setattr(report, name, getattr(report, name) + getattr(other, name))
    report.refused += other.refused
    report.features += other.features
    report.findings += other.findings


def coverage(report: Report) -> str:
    """How many pairs had each feature, as a Markdown table."""
    lines = ["| feature | pairs |", "|---|---:|"]
    lines += [f"| {name} | {count} |" for name, count in sorted(report.features.items())]
    refused = ", ".join(f"{name} {count}" for name, count in sorted(report.refused.items()))
    tail = f"graphs that can't be composed: {refused or 'none'}; operations that aren't valid: {report.skipped}"
    return "\n".join(lines) + f"\n\n{tail}"


def _tell(finding: Finding, keep: Path | None) -> None:
    print(f"\nseed {finding.seed}, operation {finding.index}: {finding.problem}\n{describe(finding.case)}")
    print("shrinking …", flush=True)
    small = shrink(finding.case, finding.problem)
    print(describe(small))
    if keep is not None:
        folder = keep / f"seed_{finding.seed}_{finding.index}".replace("-", "_")
        print(f"kept in {write_case(small, folder, finding.problem.splitlines()[0])}")


def bugs_named(parts: Sequence[str]) -> list[int]:
    """Indices of the bugs to plant whose titles have one of `parts` in them; of all without any."""
    return [i for i, bug in enumerate(BUGS) if not parts or any(part.lower() in bug.title.lower() for part in parts)]


def hunt_all(pairs: int, seed: int, processes: int, only: Sequence[str] = ()) -> int:
    """Plant every bug (or those that `only` names), print the table; more than one that isn't found is a failure."""
    logging.disable(logging.ERROR)
    chosen = bugs_named(only)
    found: dict[str, Found] = {}
    with ProcessPoolExecutor(processes, max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(_hunt, index, pairs, seed) for index in chosen]):
            index, pairs_run, problem, seconds = done.result()
            bug = BUGS[index]
            found[bug.title] = Found(bug, pairs_run, problem, seconds)
            print(
                f"{'found' if problem else 'MISSED'} after {pairs_run} pairs: {bug.title}", file=sys.stderr, flush=True
            )
    print("| planted bug | in | found after pairs | by |\n|---|---|---:|---|")
    for bug in (BUGS[index] for index in chosen):
        one = found[bug.title]
        how = one.problem.splitlines()[0][:70].replace("|", "¦") if one.problem else ""
        print(f"| {bug.title} | {bug.room} | {one.pairs if one.problem else f'not within {one.pairs}'} | {how} |")
    missed = sum(not one.problem for one in found.values())
    print(f"\n{len(chosen) - missed} of {len(chosen)} found within {pairs} pairs (seed {seed})")
    return 1 if missed > 1 else 0


def _hunt(index: int, pairs: int, seed: int) -> tuple[int, int, str, float]:
    logging.disable(logging.ERROR)
    one = hunt(BUGS[index], pairs, seed)
    return index, one.pairs, one.problem, one.seconds
