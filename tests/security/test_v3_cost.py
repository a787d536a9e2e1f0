"""V3, before any request to a subgraph: too large an answer isn't begun; the error has estimate and limit."""

from typing import Any

import pytest

from botberi.parts.subgraphs import sdl_file
from botberi.settings import GatewaySettings
from botberi.wiring.supergraph import PAGE_SIZE, engine_config, make_gateway, read_sdl, source_at
from botberi_gateway.config import OperationLimits
from botberi_gateway.engine import Gateway, GraphQLRequest
from botberi_gateway.errors import RequestError
from gateway.tests.support.local_gateway import ask, local_gateway
from subgraphs.common.pagination import DEFAULT_PAGE

SDL = """
type Query { instances(first: Int): Instances! schedules: [Schedule!]! plain: [Thing!]! }
type Subscription { ticks: Thing }
type Instances { nodes: [Instance!]! }
type Instance { id: ID! name: String status: String owner: Owner }
type Owner { id: ID! instances(first: Int): Instances! }
type Schedule { upcoming(first: Int! = 5): [String!]! }
type Thing { id: ID! others: [Thing!]! }
"""


def nested(levels: int, first: str = "") -> str:
    """`instances{nodes{owner{instances{nodes{…`, so often."""
    return "{ " + f"instances{first} {{ nodes {{ owner {{ " * levels + "id" + " } } }" * levels + " }"


async def refused(gateway: Gateway, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The extensions of the refusal; nothing was asked of the subgraph, which would have answered."""
    with pytest.raises(RequestError) as caught:
        await ask(gateway, query, variables)
    (entry,) = caught.value.errors
    assert entry.code == "COST_LIMIT_EXCEEDED"
    assert entry.extensions["estimated"] > entry.extensions["allowed"]
    return dict(entry.extensions)


@pytest.mark.parametrize("levels", [5, 6, 8])
async def test_lists_in_lists_without_sizes(levels: int) -> None:
    await refused(local_gateway(SDL), nested(levels))


@pytest.mark.parametrize(("levels", "first"), [(3, "(first: 100)"), (2, "(first: 1000)"), (1, "(first: 1000000)")])
async def test_lists_in_lists_with_sizes(levels: int, first: str) -> None:
    await refused(local_gateway(SDL), nested(levels, first))


@pytest.mark.parametrize("levels", [2, 3, 4, 5])
async def test_the_platforms_own_graph(levels: int) -> None:
    sources = {
        name: source_at(f"http://{name}.test", read_sdl(sdl_file(name))) for name in ("identity", "catalog", "instance")
    }
    gateway = make_gateway(sources, None, engine_config(GatewaySettings()))
    if levels < 4:
        await gateway.prepare(nested(levels))
        await gateway.prepare(nested(2, "(first: 100)"))
    else:
        with pytest.raises(RequestError, match="estimated at"):
            await gateway.prepare(nested(levels))


def test_the_platforms_pages_are_as_large_as_its_gateway_takes_them_for() -> None:
    assert PAGE_SIZE == DEFAULT_PAGE


async def test_sizes_from_variables() -> None:
    gateway = local_gateway(SDL)
    query = "query ($n: Int) " + nested(2, "(first: $n)")
    await refused(gateway, query, {"n": 1_000})
    # The same prepared operation with a size that is fine.
    assert "errors" in await ask(gateway, query, {"n": 3})  # the root value gives nothing
    await refused(gateway, query, {"n": 1_000})


async def test_aliases_and_fragments() -> None:
    gateway = local_gateway(SDL)
    page = "instances(first: 100) { nodes { ...O } }"
    below = "fragment O on Instance { owner { instances(first: 100) { nodes { id } } } }"
    await refused(gateway, "{ " + " ".join(f"x{number}: {page}" for number in range(10)) + " } " + below)
    upcoming = " ".join(f"x{number}: upcoming(first: 1000)" for number in range(150))
    assert (await refused(gateway, f"{{ schedules {{ {upcoming} }} }}"))["allowed"] == 1_000_000


async def test_graphs_without_arguments_for_sizes() -> None:
    await refused(local_gateway(SDL), "{ plain " + "{ others " * 5 + "{ id }" + " }" * 5 + " }")


async def test_ways_in_are_alike() -> None:
    gateway = local_gateway(SDL)
    variables = {"n": 1_000}
    prepared = await gateway.prepare(
        "query ($n: Int) { ... @defer { instances(first: $n) "
        "{ nodes { owner { instances(first: $n) { nodes { id } } } } } } }"
    )
    with pytest.raises(RequestError, match="estimated at"):
        gateway.deliver(prepared, variables)
    with pytest.raises(RequestError, match="estimated at"):
        await gateway.subscribe(
            GraphQLRequest("subscription { ticks { others { others { others { others { others { id } } } } } } }")
        )


async def test_a_page_in_a_page_is_a_fair_question() -> None:
    fields = "id name status owner { id }"
    inner = f"owner {{ instances(first: 100) {{ nodes {{ {fields} }} }} }}"
    query = f"{{ instances(first: 100) {{ nodes {{ {fields} {inner} }} }} }}"
    instance = {"id": "1", "name": "a", "status": "b", "owner": {"id": "2"}}
    page = {"nodes": [{**instance, "owner": {"id": "2", "instances": {"nodes": [instance]}}}]}
    assert "errors" not in await ask(local_gateway(SDL, {"instances": page}), query)


async def test_the_limits_are_settings() -> None:
    query = "{ plain { id } }"
    root = {"plain": [{"id": "1"}]}
    await ask(local_gateway(SDL, root, OperationLimits(max_cost=10, assumed_list_size=10)), query)
    await refused(local_gateway(SDL, root, OperationLimits(max_cost=10, assumed_list_size=11)), query)
    await refused(local_gateway(SDL, root, OperationLimits(max_answer_fields=10)), query)
