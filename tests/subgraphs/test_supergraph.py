"""The three subgraphs behind the gateway, in one process: they compose, and one query crosses all of them."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest

from botberi_gateway.engine import Gateway, GraphQLRequest, RequestContext, SubgraphSource
from shared_schema.ids import to_global_id
from subgraphs.common.assertion import SAME_PROCESS
from tests.subgraphs.conftest import Client, add_agent
from tests.subgraphs.test_identity_mutations import CREATE_KEY, register
from tests.subgraphs.test_instance import made
from tests.subgraphs.test_schema import SDLS

ACROSS = """{ me { displayName apiKeys { nodes { name } } instances(first: 10) { totalCount nodes { status
  agent { name publisher { displayName } templates(first: 2) { totalCount } } owner { id displayName } } } } }"""


@pytest.fixture
async def gateway(identity: Client, catalog: Client, instance: Client) -> AsyncIterator[Gateway]:
    sources = {
        each.name: SubgraphSource(SDLS[each.name](), app=same_process(each.app))
        for each in (identity, catalog, instance)
    }
    gateway = Gateway.from_subgraphs(sources)
    yield gateway
    await gateway.aclose()


def same_process(app: Any) -> Any:
    """What `LocalSubgraph` says of its calls."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, SAME_PROCESS: True}, receive, send)

    return call


async def ask(gateway: Gateway, client: Client, query: str, **who: Any) -> Any:
    def headers(subgraph: str) -> dict[str, str]:
        # As in one process: only claims go about.
        return {"botberi-assertion": f".{client.signer.claims(subgraph, **who)}."}

    result = await gateway.execute(GraphQLRequest(query), RequestContext(subgraph_headers=headers))
    return result.to_json()


async def test_one_query_across_all_takes_as_many_statements_for_many_as_for_one(
    gateway: Gateway, identity: Client, catalog: Client, instance: Client
) -> None:
    publisher, _ = await register(identity, "Publisher")
    agents = [await add_agent(catalog, name=f"Agent {n}", publisher_id=publisher) for n in range(3)]
    counts = []
    for number in (1, 5):
        owner, _ = await register(identity, "Owner")
        await identity.ask(CREATE_KEY, {"input": {"name": "ci"}}, account_id=owner)
        for n in range(number):
            await made(instance, owner, agentId=to_global_id("Agent", agents[n % 3].id))
        with ExitStack() as stack:
            seen = [stack.enter_context(client.counting()) for client in (identity, catalog, instance)]
            answer = await ask(gateway, identity, ACROSS, account_id=owner)
        assert "errors" not in answer, answer
        me = answer["data"]["me"]
        assert me["apiKeys"]["nodes"] == [{"name": "ci"}]
        assert me["instances"]["totalCount"] == number
        for node in me["instances"]["nodes"]:
            assert node["agent"]["publisher"] == {"displayName": "Publisher"}
            assert node["owner"] == {"id": to_global_id("Account", owner), "displayName": "Owner"}
        counts.append([len(statements) for statements in seen])
    assert counts[0] == counts[1]


async def test_what_one_subgraph_refuses_leaves_the_rest(gateway: Gateway, identity: Client, catalog: Client) -> None:
    publisher, _ = await register(identity, "Publisher")
    agent = await add_agent(catalog, publisher_id=publisher)
    query = f'{{ agent(slug: "{agent.slug}") {{ name publisher {{ displayName instances {{ totalCount }} }} }} }}'
    answer = await ask(gateway, identity, query)
    seen = {"displayName": "Publisher", "instances": None}
    assert answer["data"] == {"agent": {"name": "Sentiment", "publisher": seen}}
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert answer["errors"][0]["path"] == ["agent", "publisher", "instances"]
