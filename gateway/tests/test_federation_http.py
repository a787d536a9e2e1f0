"""The federation audit with its subgraphs behind real sockets: one case of each suite through our HTTP client."""

from collections.abc import Iterator

import pytest

from botberi_gateway.errors import GatewayError
from botberi_gateway.operation import prepare
from botberi_gateway.planner import build_plan
from botberi_gateway.upstream import HttpClient
from gateway.tests.support import federation
from gateway.tests.support.executing import execute
from gateway.tests.support.runtimes import runtime_of


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with federation.served() as url:
        yield url


@federation.needs_suites("151 operations on 30 graphs: answers of its subgraphs over HTTP")
@pytest.mark.parametrize("suite", federation.suites(), ids=lambda suite: suite.name)
async def test_over_http(suite: federation.Suite, base_url: str) -> None:
    federation.reset()
    clients = {name: HttpClient(name, f"{base_url}/{suite.name}/{name}") for name in suite.subgraphs}
    try:
        for case in suite.cases:
            try:
                operation = prepare(suite.supergraph.api_schema, case.query)
                plan = build_plan(suite.supergraph, operation)
            except GatewayError:
                continue  # that it is refused is tested in test_federation.py
            case.check((await execute(plan, operation, {}, runtime_of(clients))).to_json())
            break
    finally:
        for client in clients.values():
            await client.aclose()
