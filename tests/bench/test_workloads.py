"""The workloads, their oracle and the copy of the public benchmark's files."""

import json
from pathlib import Path

import pytest

from botberi_gateway.operation import prepare
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from lab.bench.gateway.graphs import own, public
from lab.bench.gateway.oracle import Oracle
from lab.bench.gateway.workloads import GRAPHS, MARK, alike, expected, rotation, workloads

SHARED = Path(__file__).resolve().parents[3] / "shared" / "bench"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(),
    reason="no ../shared/bench: it would add answers and programs of the public gateway benchmark to compare with",
)


@needs_shared
@pytest.mark.parametrize("query", public.QUERIES)
def test_the_oracle_gives_the_public_benchmarks_answers(query: str) -> None:
    answer = Oracle.of(public.graph()).answer(public.query(query)).formatted
    assert json.dumps(answer) == json.dumps(json.loads((SHARED / "responses" / f"{query}.json").read_text()))


@needs_shared
@pytest.mark.parametrize(("ours", "theirs"), [("sdl", "sdl"), ("queries", "queries"), ("data", "dataset")])
def test_the_copied_files_are_the_given_ones(ours: str, theirs: str) -> None:
    copied = sorted((public.FOLDER / ours).iterdir())
    assert copied
    for path in copied:
        assert path.read_bytes() == (SHARED / theirs / path.name).read_bytes(), path.name


@pytest.mark.parametrize("graph", GRAPHS)
def test_every_graph_composes_and_every_operation_on_it_can_be_planned(graph: str) -> None:
    supergraph = Supergraph.from_sdl(GRAPHS[graph]().supergraph("http://127.0.0.1:1"))
    for workload in workloads().values():
        if workload.graph == graph:
            for operation in workload.operations[:20]:
                plan = build_plan(supergraph, prepare(supergraph.api_schema, operation.query.replace(MARK, "1")))
                assert plan.fetch_count >= 1


@pytest.mark.parametrize("name", [name for name, one in workloads().items() if not one.streams])
def test_what_is_expected_is_no_empty_answer(name: str) -> None:
    for data in expected(workloads()[name], "7")[:20]:
        assert data
        assert all(value is not None and value != [] for value in data.values())


def test_the_errors_workload_has_nulls_of_every_kind() -> None:
    (data,) = expected(workloads()["errors"])
    orders = data["orders"]
    assert orders.count(None) == 20, "a total that may not be null takes its order with it"
    assert any(one and one["note"] is None and one["total"] is not None for one in orders)
    assert any(one and one["paid"] is None for one in orders)


def test_the_chain_needs_a_step_for_each_link() -> None:
    (data,) = expected(workloads()["requires"])
    assert [one["v5"] - one["v0"] for one in data["links"]] == [own.CHAIN] * 20


@pytest.mark.parametrize("count", [1, 200, 1_000])
def test_operations_in_rotation_differ(count: int) -> None:
    assert len({one.query for one in rotation(count)}) == count
    assert len({one.query for one in alike(count)}) == count


def test_a_fresh_number_changes_query_and_answer() -> None:
    cold = workloads()["cold"]
    (one,), (other,) = expected(cold, "1"), expected(cold, "22")
    assert list(one) == ["a1", "b1"]
    assert list(other) == ["a22", "b22"]
    assert one["a1"] == other["a22"]
