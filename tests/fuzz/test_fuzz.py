"""The gateway against one monolith, on fixed seeds and on a fresh one; and cases that once failed.

A fresh seed finds new things, which is no verdict on the change at hand: what it finds is reported, with the seed, as
an expected failure. It fails where BOTBERI_FUZZ_SECONDS asks for it; BOTBERI_FUZZ_SEED repeats it.
"""

import os
import random
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from botberi_gateway.executor import ExecutorKind
from lab.fuzzing.command import coverage
from lab.fuzzing.folder import operations, read_case, write_case
from lab.fuzzing.fuzz import Finding, Report, cases, fuzz
from lab.fuzzing.graph import make_graph
from lab.fuzzing.kinds import KINDS, SHARE
from lab.fuzzing.operation import random_operation
from lab.fuzzing.pair import Arena, describe
from lab.fuzzing.planted import BUGS, hunt
from lab.fuzzing.shrink import outcome_of, shrink
from lab.fuzzing.text import HIDDEN
from lab.fuzzing.world import World
from tests.support.cases import FOLDERS

SECONDS = float(os.environ.get("BOTBERI_FUZZ_SECONDS", "0"))
#: The same pairs everywhere, however fast the machine is: 3,000 in parts that may run side by side.
FIXED = (1, 101, 601, 301, 401, 501)
PAIRS = 500
FRESH_PAIRS = 200
#: Kind of graph -> of 100 pairs of a large run, the sum of those with each of the kind's features.
PERCENT = {
    "types with several interfaces": 42.0,
    "interface objects": 7.4,
    "@provides and interfaces": 4.1,
    "@inaccessible": 100.0,
    "null keys": 1.0,
    "unknown entities": 2.2,
    "custom scalars": 40.0,
    "renamed roots": 15.0,
    "federation 1": 7.5,
    "field sets with __typename": 2.5,
    "written otherwise": 61.0,
}
FRESH = int(os.environ.get("BOTBERI_FUZZ_SEED", random.SystemRandom().randrange(10**9)))


def _check(report: Report, seed: int) -> None:
    print(f"BOTBERI_FUZZ_SEED={seed}: {report.pairs} pairs in {report.seconds:.0f} s")
    print(coverage(report))
    assert report.pairs >= 20, "hardly anything was compared"
    for finding in report.findings:
        pytest.fail(_report(finding))


def _report(finding: Finding) -> str:
    return f"seed {finding.seed}, {finding.index}: {finding.problem}\n{describe(finding.case)}\n{finding.plan}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", FIXED)
def test_agrees_with_the_monolith(seed: int) -> None:
    _check(fuzz(PAIRS, seed), seed)


@pytest.mark.timeout(SECONDS * 3 + 120)
def test_agrees_with_the_monolith_on_a_fresh_seed() -> None:
    if SECONDS:
        _check(fuzz(100_000, FRESH, until=time.monotonic() + SECONDS), FRESH)
        return
    report = fuzz(FRESH_PAIRS, FRESH)
    if report.findings:
        pytest.xfail(f"found something new, BOTBERI_FUZZ_SEED={FRESH}: {_report(report.findings[0])}")
    _check(report, FRESH)


@pytest.mark.parametrize(
    ("folder", "operation"),
    [pytest.param(f, o, id=f"{f.name}-{Path(o).stem}") for f in FOLDERS for o in operations(f)],
)
async def test_case(folder: Path, operation: str, request: pytest.FixtureRequest) -> None:
    """A folder is a pair that once failed, or a kind of graph. `xfail` in its case.json says why it still does."""
    case, facts = read_case(folder, operation)
    if "xfail" in facts:
        request.node.add_marker(pytest.mark.xfail(reason=facts["xfail"], strict=True))
    outcome = await outcome_of(case)
    assert not outcome.skipped, "the graph can't be composed, or the operation isn't valid"
    assert not outcome.problem, f"{facts['why']}\n{describe(case)}\n{outcome.plan}"


def test_an_interface_object_is_never_of_a_hidden_type() -> None:
    """Whether a plan learns its type, and so that clients may not see it, depends on what else is asked."""
    folder = next(f for f in FOLDERS if f.name == "failed_call_for_objects_whose_type_came_later")
    graph = read_case(folder, operations(folder)[0])[0].graph
    graph = replace(graph, monolith=HIDDEN + graph.monolith.replace("Y implements N", "Y implements N @inaccessible"))
    assert World(graph).choices("Query", "n") == ("X",)


def test_a_seed_always_gives_the_same() -> None:
    one, other = make_graph(8), make_graph(8)
    assert one == other
    schema = Arena(one).supergraph.api_schema
    assert random_operation(schema, 5) == random_operation(schema, 5)
    assert random_operation(schema, 5) != random_operation(schema, 6)


@pytest.mark.timeout(300)
def test_meets_each_kind_of_graph() -> None:
    """Many graphs with few operations each. Whether the pairs agree, others test.

    The sample is small: each kind has to occur half as often as it does in a large run, and at least as often as
    `SHARE` says.
    """
    report = fuzz(600, 700, source=partial(cases, count=5), executor=ExecutorKind.INTERPRETED, stop_at=10_000)
    counts = {kind: sum(report.features[name] for name in names) for kind, names in KINDS.items()}
    wanted = {kind: max(SHARE, PERCENT[kind] / 200) * report.pairs for kind in KINDS}
    rare = {kind: (count, wanted[kind]) for kind, count in counts.items() if count < wanted[kind]}
    assert not rare, f"of {report.pairs} pairs: {counts}"
    never = [name for names in KINDS.values() for name in names if not report.features[name]]
    assert not never


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "title", ["nulls don't propagate", "representations lack their last field", "@requires is ignored"]
)
def test_finds_planted_bugs(title: str) -> None:
    """A few of those that `lab fuzz --planted` tries."""
    found = hunt(next(bug for bug in BUGS if bug.title == title), 1000, seed=1)
    assert found.problem, f"not found within {found.pairs} pairs"


@pytest.mark.timeout(180)
def test_a_failing_case_shrinks_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = next(bug for bug in BUGS if bug.title == "fields come in reverse order")
    monkeypatch.setattr(bug.owner, bug.name, bug.change(bug.owner.__dict__[bug.name]))
    finding = max(fuzz(500, 1, stop_at=5).findings, key=lambda f: len(f.case.document))
    small = shrink(finding.case, finding.problem, seconds=15)
    assert len("".join(small.document.split())) < len("".join(finding.case.document.split()))
    assert sum(map(len, small.graph.subgraphs.values())) <= 1.5 * sum(map(len, finding.case.graph.subgraphs.values()))
    write_case(small, tmp_path / "case", finding.problem)
    again, facts = read_case(tmp_path / "case")
    assert facts["why"] == finding.problem
    assert (again.document.strip(), again.variables) == (small.document.strip(), small.variables)
