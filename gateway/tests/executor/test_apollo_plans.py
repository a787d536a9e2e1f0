"""Plans that Apollo's planner made, run by our executor on the audit's subgraphs: the data that the audit expects."""

import json
from typing import Any

import pytest

from gateway.tests.support import federation
from gateway.tests.support.apollo_plans import convert_plan
from gateway.tests.support.executing import execute
from gateway.tests.support.operations import operation_of
from gateway.tests.support.runtimes import runtime_of
from gateway.tests.support.shared import SHARED

PLANNER = SHARED / "planner" / "cases"
AUDIT = "federation-gateway-audit/"


def _words(query: str) -> str:
    return "".join(query.split())


def _cases() -> list[Any]:
    found = []
    for path in sorted(PLANNER.glob("*.json")):
        planned = json.loads(path.read_text())
        if not planned["source"].startswith(AUDIT) or "node" not in (planned["apollo"].get("plan") or {}):
            continue
        suite = federation.suite(planned["source"].removeprefix(AUDIT))
        if not suite.folder.is_dir():
            continue
        wanted = [case for case in suite.cases if _words(case.query) == _words(planned["query"])]
        if wanted:
            found.append(pytest.param(planned["apollo"]["plan"], wanted[0], id=f"{wanted[0]}"))
    return found


@federation.needs_suites("its operations executed by the plans of another planner")
@pytest.mark.parametrize(("planned", "case"), _cases())
async def test_gives_the_expected_data(planned: dict[str, Any], case: federation.Case) -> None:
    federation.reset()
    suite = federation.suite(case.suite)
    plan = convert_plan(planned, suite.supergraph.schema)
    operation = operation_of(suite.supergraph.api_schema, case.query)
    result = await execute(plan, operation, {}, runtime_of(suite.clients()))
    case.check(json.loads(result.to_bytes()))
