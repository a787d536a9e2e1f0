"""Samples -> medians, ratios, tables, goals, JSON; and the page that they are written to."""

import signal
import time
from pathlib import Path

import pytest

from lab.bench.gateway import page, report
from lab.bench.gateway.figures import Results, Series, Spread, ratio
from lab.bench.gateway.gateways import PEERS
from lab.bench.gateway.profile import tables
from lab.bench.gateway.running import Sample
from lab.bench.gateway.sampled import Sampler
from lab.bench.gateway.session import Made, extent


def sample(cpu: float, p95: float = 2.0, failures: int = 0) -> Sample:
    return Sample(1000, 2.0, cpu, 1.0, p95, 3.0, 7.0, (1.0,), failures)


def results(**cpu: list[float]) -> Results:
    """Of the large query; `hive_router` stands for hive-router."""
    made = Results()
    for name, figures in cpu.items():
        series = made.of("large", name.replace("_", "-"))
        series.samples = [sample(one) for one in figures]
        series.rss_mb = 80.0
        made.cold[name.replace("_", "-")] = [0.5, 0.4, 0.9]
    return made


def test_a_spread_is_median_lowest_and_highest() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_ratios_are_taken_round_by_round() -> None:
    # Both took twice as long in the second round: a busy machine, and no change of the ratio.
    one, other = Series([sample(2.0), sample(4.0)]), Series([sample(1.0), sample(2.0)])
    assert ratio(one, other) == Spread(2.0, 2.0, 2.0)
    assert ratio(Series(), other) is None


def test_the_json_has_a_figure_for_each_query_and_gateway() -> None:
    made = results(botberi=[0.5, 0.7, 0.6], hive_router=[0.4])
    made.of("large", "mercurius").wrong = "status 500"
    table = made.as_json()["large"]
    assert table["botberi"] == {
        "cpu_ms": 0.6, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "rss_mb": 80.0,
        "cold_start_s": 0.5, "subgraph_calls": 7.0,
        "cpu_ms_lowest": 0.5, "cpu_ms_highest": 0.7, "requests": 3000, "failures": 0,
    }  # fmt: skip
    assert table["mercurius"]["cpu_ms"] is None
    assert table["mercurius"]["wrong"] == "status 500"
    assert set(table["botberi"]) >= set(table["mercurius"]) - {"wrong"}


@pytest.mark.parametrize(("ours", "met"), [([0.39, 0.4], True), ([0.41, 0.6], False)])
def test_a_goal_is_met_or_not(ours: list[float], met: bool) -> None:
    lines = [
        line for line in report.goals(results(botberi=ours, hive_router=[0.4, 0.4])) if "Hive Router (Rust)'s:" in line
    ]
    assert [line.startswith("- met: large: CPU at most 1.0") for line in lines] == [met]


def test_goals_without_their_peer_are_left_out() -> None:
    assert not [line for line in report.goals(results(botberi=[1.0])) if "Hive" in line or "Apollo" in line]


def test_the_headline_has_ours_first_and_those_that_fail_last() -> None:
    made = results(botberi=[1.0], hive_router=[0.5], apollo_gateway=[16.0])
    made.of("large", "mercurius").wrong = "no | answer"
    rows = [line.split("|")[1].strip() for line in report.headline(made) if line.startswith("| ")][1:]
    assert rows == ["**Botberi**", "Hive Router (Rust)", "Apollo Gateway", "Mercurius"]
    assert all(line.count("|") == 11 for line in report.headline(made) if line.startswith("|"))


def test_every_peer_has_a_name_for_people() -> None:
    assert set(report.TITLES) == {"botberi", *PEERS}


def test_a_block_of_the_page_is_renewed_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        f"# Before\n{page.begin('one')}\nold\n{page.end('one')}\nafter\n{page.begin('two')}\n{page.end('two')}\n"
    )
    page.write("one", ["| new |", ""], path)
    page.write("one", ["| newer |"], path)
    assert path.read_text() == (
        f"# Before\n{page.begin('one')}\n| newer |\n{page.end('one')}\nafter\n{page.begin('two')}\n{page.end('two')}\n"
    )


@pytest.mark.parametrize(
    "text", ["", "begin only <!-- bench gateway: one -->", "<!-- end of one --><!-- bench gateway: one -->"]
)
def test_a_page_without_the_markers_is_not_touched(text: str) -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        page.replaced(text, "one", ["x"])


def test_the_performance_page_has_every_block() -> None:
    text = page.PAGE.read_text()
    for block in ("headline", "goals", "workloads", "scaling"):
        assert page.replaced(text, block, ["x"]) != text


def test_tables_of_which_a_part_was_measured_are_not_written() -> None:
    made = Made(results(botberi=[1.0]), {"headline": ["x"], "workloads": ["y"]}, {"headline"})
    assert list(made.written(write=False, complete=True)) == []
    assert list(made.written(write=None, complete=False)) == []


def test_a_run_fails_when_ours_answers_wrongly_but_not_when_a_peer_does() -> None:
    made = Made(results(botberi=[1.0], mercurius=[2.0]))
    made.results.of("large", "mercurius").wrong = "wrong"
    assert not made.failed
    made.results.of("large", "botberi").wrong = "wrong"
    assert made.failed


def test_rounds_are_as_asked_for() -> None:
    assert extent(quick=False, rounds=7).rounds == 7
    assert extent(quick=True, rounds=None).seconds < extent(quick=False, rounds=None).seconds


def test_samples_are_of_what_used_the_cpu() -> None:
    def busy() -> None:
        began = time.process_time()
        while time.process_time() - began < 0.3:
            pass

    sampler = Sampler()
    sampler.begin()
    try:
        busy()
        time.sleep(0.3)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    found = [line for line in sampler.lines() if "busy (" in line]
    count = sum(int(line.rpartition(" ")[2]) for line in found)
    assert count >= 10
    assert count == sum(sampler.stacks.values()), "sleeping uses no CPU time"


def test_a_profile_has_tables_by_function_and_by_file() -> None:
    lines = list(
        tables(
            ["loop (l.py:1);main (a.py:1);work (/x/site-packages/lib/b.py:2) 3", "loop (l.py:1);main (a.py:9) 1"] * 2
        )
    )
    lines += tables(["loop (l.py:1);main (a.py:1) 9", "loop (l.py:1) 1"])
    assert "| work (lib/b.py) | 75.0% |" in lines
    assert "| lib/b.py | 75.0% |" in lines
    assert "| main (a.py) | 90.0% |" in lines
    assert "| loop (l.py) | 100.0% |" not in lines, "what is below everything"
