"""Plans are never deeper and never have more fetches than the better of two other planners.

What passed before passes still.
"""

import gzip
import json
from typing import Any

import pytest

from botberi_gateway.operation import prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from gateway.tests.planner import conformance
from gateway.tests.support.shared import SHARED, needs

SCALE = SHARED / "scale"


@needs(conformance.FOLDER, "179 operations with the fetches and steps of two other planners")
def test_no_case_is_lost() -> None:
    baseline = set(conformance.BASELINE.read_text().split())
    found = {verdict.id: verdict for verdict in conformance.verdicts()}
    lost = [verdict for name, verdict in found.items() if name in baseline and not verdict.passed]
    assert not lost
    assert baseline <= set(found)
    assert sum(verdict.kind == "pass" for verdict in found.values()) >= 177


def _scale(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCALE / name / "case.json").read_text())
    return found


@needs(SCALE, "ten queries on a large graph, with the fetches and steps of two other planners")
@pytest.mark.parametrize("name", ["s010", "s050"])
def test_plans_large_graphs(name: str) -> None:
    """Ten queries of each, none deeper or with more fetches than where the others answer."""
    supergraph = Supergraph.from_sdl(gzip.decompress((SCALE / name / "supergraph.graphql.gz").read_bytes()).decode())
    for case in _scale(name)["plans"]:
        operation = prepare(supergraph.api_schema, case["query"], None, UNLIMITED)
        plan = build_plan(supergraph, operation)
        peers = [case[peer] for peer in ("apollo", "hive") if case[peer] and case[peer].get("fetches")]
        for peer in peers:
            assert plan.fetch_count <= peer["fetches"], case["name"]
            assert plan.depth <= peer["depth"], case["name"]
