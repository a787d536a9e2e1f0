"""Our plans, run by our executor on the audit's subgraphs.

Every subgraph operation is valid by the subgraph's own SDL.
"""

import json
from functools import cache

import pytest
from graphql import GraphQLSchema, parse, validate

from botberi_gateway.errors import GatewayError
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.plan import Plan
from botberi_gateway.planner import build_plan
from gateway.tests.planner.support import fetches_of
from gateway.tests.support import federation
from gateway.tests.support.executing import execute
from gateway.tests.support.runtimes import runtime_of


@cache
def _schema(suite: str, subgraph: str) -> GraphQLSchema:
    schema = federation.mock_module().get(suite, subgraph).schema
    assert isinstance(schema, GraphQLSchema)
    return schema


def assert_operations_valid(suite: str, plan: Plan) -> None:
    """By the subgraph's own schema, with `_entities` and `_Any` as the federation specification adds them."""
    for fetch in fetches_of(plan.node):
        problems = validate(_schema(suite, fetch.subgraph), parse(fetch.operation))
        assert not problems, f"{fetch.subgraph}: {fetch.operation}\n{problems}"


@federation.needs_suites("151 operations on 30 graphs: our plans, answered by its subgraphs")
@pytest.mark.parametrize("case", federation.all_cases(), ids=str)
async def test_gives_the_expected_data(case: federation.Case) -> None:
    federation.reset()
    suite = federation.suite(case.suite)
    try:
        operation = prepare(suite.supergraph.api_schema, case.query, None, UNLIMITED)
        plan = build_plan(suite.supergraph, operation)
    except GatewayError:
        case.check({"data": None, "errors": [{}]})
        return
    result = await execute(plan, operation, coerce_variables(operation, {}), runtime_of(suite.clients()))
    print(plan)
    case.check(json.loads(result.to_bytes()))
    assert_operations_valid(case.suite, plan)
