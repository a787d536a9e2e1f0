"""A subgraph that is down, slow or wrong: its own fields fail with a code, and nothing else in the answer is lost."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.platform.clients import Client
from tests.platform.faulty import FAULTS, FaultyService, faulty_service
from tests.platform.running import RunningPlatform

#: `me` comes from identity, agents from the catalog, both well; instances from the one that fails.
QUERY = (
    "{ me { displayName instances { totalCount } } agents(first: 1) { nodes { slug } } "
    'instance(id: "SW5zdGFuY2U6MDFhMjA5MTItMzQ3YS03ZDhiLWEzMDgtYTAzMTAyNDdkZGFi") { id } }'
)
CODES = {"SUBGRAPH_UNREACHABLE", "SUBGRAPH_TIMEOUT", "SUBGRAPH_HTTP_ERROR", "SUBGRAPH_INVALID_RESPONSE"}


@pytest.fixture(scope="module")
def broken() -> Iterator[tuple[RunningPlatform, FaultyService]]:
    """A platform whose instance subgraph is elsewhere, where things go wrong."""
    with (
        faulty_service() as service,
        RunningPlatform(environment={"BOTBERI_INSTANCE_URL": service.url}) as platform,
    ):
        yield platform, service


@pytest.mark.parametrize("fault", FAULTS)
async def test_only_the_failing_subgraphs_fields_are_lost(
    broken: tuple[RunningPlatform, FaultyService], fault: str
) -> None:
    platform, service = broken
    service.fault = fault
    async with Client(platform.url) as client:
        client.token = await client.sign_in(*platform.password("user"))
        began = time.monotonic()
        answer = await client.execute(QUERY)
        assert time.monotonic() - began < 20
        assert answer["data"]["agents"]["nodes"][0]["slug"], answer
        assert answer["data"]["me"] == {"displayName": "Development user", "instances": None}
        assert answer["data"]["instance"] is None
        found = {tuple(error["path"]): error["extensions"]["code"] for error in answer["errors"]}
        assert set(found) == {("me", "instances"), ("instance",)}, answer
        assert set(found.values()) <= CODES, answer
        assert "secret" not in str(answer)
        assert "Traceback" not in str(answer)

        whole = await client.ask("{ me { displayName apiKeys { totalCount } } agents(first: 1) { totalCount } }")
        assert whole["me"]["displayName"] == "Development user"


async def test_a_subgraph_that_is_down(broken: tuple[RunningPlatform, FaultyService]) -> None:
    platform, service = broken
    service.fault = "drops the connection"
    async with Client(platform.url) as client:
        answers = await asyncio.gather(*(client.execute(QUERY) for _ in range(20)))
    for answer in answers:
        assert answer["data"]["agents"]["nodes"]
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"SUBGRAPH_UNREACHABLE"}
