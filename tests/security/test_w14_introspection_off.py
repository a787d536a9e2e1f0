"""W14: introspection can be turned off. Nothing about the schema is answered then, and all else is."""

import pytest

from botberi.settings import GatewaySettings
from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import RequestError
from gateway.tests.support.local_gateway import ask, local_gateway

SDL = "interface Node { id: ID! } type User implements Node { id: ID! } type Query { node: Node a: Int }"
OFF = OperationLimits(allow_introspection=False)


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        '{ a __type(name: "User") { name } }',
        "{ ...F } fragment F on Query { ... { x: __schema { queryType { name } } } }",
        '{ ... on Query @include(if: false) { __type(name: "User") { name } } }',
        "query A { a } query B { __schema { types { name } } }",
        "{ ... @defer { __schema { types { name } } } }",
    ],
)
async def test_the_schema_is_not_shown(query: str) -> None:
    with pytest.raises(RequestError) as refused:
        await local_gateway(SDL, {"a": 1}, OFF).prepare(query, "A" if "query A" in query else None)
    (entry,) = refused.value.errors
    assert entry.code == "GRAPHQL_VALIDATION_FAILED"
    assert entry.message.startswith("Introspection is turned off here: ")
    assert entry.locations


async def test_typename_is_answered() -> None:
    gateway = local_gateway(SDL, {"a": 1, "node": {"__typename": "User", "id": "1"}}, OFF)
    answer = await ask(gateway, "{ __typename a node { __typename id } }")
    assert answer["data"] == {"__typename": "Query", "a": 1, "node": {"__typename": "User", "id": "1"}}


async def test_it_is_on_unless_turned_off() -> None:
    assert (await ask(local_gateway(SDL), '{ __type(name: "User") { name } }'))["data"] == {"__type": {"name": "User"}}
    assert GatewaySettings().introspection


async def test_refusals_hint_at_no_names() -> None:
    with pytest.raises(RequestError) as refused:
        await local_gateway(SDL, limits=OFF).prepare("{ nod { id } }")
    assert refused.value.message == "Cannot query field 'nod' on type 'Query'."
