"""The federation audit through our planner and executor: given supergraphs, mock subgraphs in this process."""

import json
from typing import Any

import pytest
from graphql import parse, validate

from botberi_gateway.errors import GatewayError, RequestError
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.planner import build_plan
from gateway.tests.support import federation
from gateway.tests.support.executing import execute
from gateway.tests.support.runtimes import runtime_of


async def _answer(case: federation.Case, clients: Any) -> dict[str, Any]:
    """As the engine does it: what can't be executed is a response without data."""
    suite = federation.suite(case.suite)
    try:
        operation = prepare(suite.supergraph.api_schema, case.query)
        plan = build_plan(suite.supergraph, operation)
        variables = coerce_variables(operation, {})
    except RequestError as error:
        return {"errors": [entry.to_json() for entry in error.errors]}
    except GatewayError as error:
        return {"errors": [{"message": error.message, "extensions": {"code": error.code}}]}
    result = await execute(plan, operation, variables, runtime_of(clients))
    return json.loads(result.to_bytes())  # type: ignore[no-any-return]


@federation.needs_suites("151 operations on 30 graphs: the data that it expects")
@pytest.mark.parametrize("case", federation.all_cases(), ids=str)
async def test_gives_the_expected_data(case: federation.Case) -> None:
    federation.reset()
    case.check(await _answer(case, federation.suite(case.suite).clients()))


@federation.needs_suites("151 operations on 30 graphs: whether each request is valid at its subgraph")
@pytest.mark.parametrize("case", federation.all_cases(), ids=str)
async def test_subgraph_operations_are_valid(case: federation.Case) -> None:
    """Every operation that a subgraph is sent is valid against that subgraph's own schema."""
    federation.reset()
    suite = federation.suite(case.suite)
    clients = suite.clients()
    await _answer(case, clients)
    for name, client in clients.items():
        assert isinstance(client, federation.MockClient)
        schema = federation.mock_module().get(case.suite, name).schema
        for request in client.requests:
            assert not validate(schema, parse(request.operation)), request.operation
