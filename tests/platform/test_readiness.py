"""`/ready` of the platform: red while identity or the bus is away, green again by itself."""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.platform.faulty import FaultyService, faulty_service
from tests.platform.running import RunningPlatform

if TYPE_CHECKING:
    from lab.faults.rabbitmq import RabbitNode

#: With this "fault" its `/health` answers 200, which is all that readiness asks.
WELL = "answers no GraphQL"


async def until(platform: RunningPlatform, status: int, seconds: float = 60.0) -> dict[str, Any]:
    """The page, once it answers with `status`."""
    deadline = time.monotonic() + seconds
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{platform.base}/ready") as answer:
                page: dict[str, Any] = await answer.json()
                if answer.status == status:
                    return page
            assert time.monotonic() < deadline, page
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def with_identity_elsewhere() -> Iterator[tuple[RunningPlatform, FaultyService]]:
    with faulty_service() as service:
        service.fault = WELL
        with RunningPlatform(environment={"BOTBERI_IDENTITY_URL": service.url}) as platform:
            yield platform, service


@pytest.mark.parametrize("fault", ["answers 500", "drops the connection", "hangs"])
async def test_red_while_identity_is_away(
    with_identity_elsewhere: tuple[RunningPlatform, FaultyService], fault: str
) -> None:
    platform, service = with_identity_elsewhere
    service.fault = WELL
    assert (await until(platform, 200)) == {"status": "ready"}
    service.fault = fault
    problems = (await until(platform, 503))["problems"]
    assert set(problems) == {"identity"}
    assert "identity" in problems["identity"]
    service.fault = WELL
    await until(platform, 200)


@pytest.mark.rabbitmq
async def test_red_while_the_bus_is_away(rabbit_node: "RabbitNode") -> None:
    with RunningPlatform(environment={"BOTBERI_AMQP_URL": rabbit_node.url}) as platform:
        await until(platform, 200)
        rabbit_node.kill()
        try:
            assert "RabbitMQ is away" in (await until(platform, 503))["problems"]["bus"]
        finally:
            rabbit_node.start()
        await until(platform, 200, seconds=120)
