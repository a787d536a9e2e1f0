"""`lab bench planner`: which figures its table and its verdict are made of."""

import math
from pathlib import Path

import pytest

from lab.bench import planner
from lab.bench.cli import main
from lab.bench.planner import Ours, Times, met, summary


def test_the_first_round_stands_apart_from_the_median_of_all() -> None:
    times = Times()
    for name, found in {"a": [9.0, 1.0, 2.0], "b": [3.0, 3.0, 3.0], "c": [math.inf]}.items():
        times.rounds[name] += found
    assert summary(times, ["a", "b"]) == {
        "first p50": 9.0,
        "first p95": 9.0,
        "first max": 9.0,
        "p50": 3.0,
        "p95": 3.0,
        "max": 3.0,
    }
    assert summary(times, ["a", "b", "c"])["max"] == math.inf


@pytest.mark.parametrize(
    ("ours", "theirs", "fine"),
    [
        pytest.param(1.0, 0.5, True, id="under the goal"),
        pytest.param(2.0, 3.0, True, id="over it, but faster than the peer"),
        pytest.param(2.0, 1.5, False, id="over it, and slower"),
    ],
)
def test_the_milder_goal_counts(ours: float, theirs: float, fine: bool) -> None:
    assert met({"p50": ours, "p95": 1.0}, {"p50": theirs, "p95": 1.0}) == {"p50": fine, "p95": True}


def test_without_the_corpus_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planner, "CORPUS", tmp_path / "planner")
    assert main(["planner"]) == 2
    assert "holds the operations" in capsys.readouterr().err


@pytest.mark.skipif(
    not planner.CORPUS.is_dir(),
    reason="no ../shared/conformance/planner: it would add the planner benchmark on 179 operations",
)
def test_each_plan_is_timed_again() -> None:
    one = Ours()
    for query in ("{ feed { id } }", "{ feed { id } }", "{ nothing }"):
        one.plan(query, "audit-override-type-interface.graphql", query)
    assert len(one.times.rounds["{ feed { id } }"]) == 2
    assert all(took > 0 for took in one.times.rounds["{ feed { id } }"])
    assert "nothing" in one.times.refused["{ nothing }"]
