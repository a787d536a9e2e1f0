"""The started platform, one for each way that events travel, shared by all tests that don't break it."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.platform.browsing import browser, graphiql_is_built
from tests.platform.clients import Client
from tests.platform.running import RunningPlatform

__all__ = ["browser", "graphiql_is_built"]


def pytest_itemcollected(item: pytest.Item) -> None:
    """All of these start a platform, or talk to one."""
    if "/tests/platform/" in str(item.path):
        item.add_marker(pytest.mark.platform)
        item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def embedded() -> Iterator[RunningPlatform]:
    """Everything embedded: what `./start` gives."""
    with RunningPlatform() as platform:
        yield platform


@pytest.fixture(scope="session", params=["in process", pytest.param("RabbitMQ", marks=pytest.mark.rabbitmq)])
def platform(request: pytest.FixtureRequest) -> Iterator[RunningPlatform]:
    """The platform on the in-process bus, and on RabbitMQ for events and for Celery."""
    if request.param == "in process":
        yield request.getfixturevalue("embedded")
        return
    if (url := os.environ.get("BOTBERI_TEST_AMQP_URL")) is None:
        url = request.getfixturevalue("rabbit_node").virtual_host("platform")
    with RunningPlatform(environment={"BOTBERI_AMQP_URL": url}) as running:
        assert "on RabbitMQ" in running.output.text
        yield running


@pytest.fixture
async def anonymous(platform: RunningPlatform) -> AsyncIterator[Client]:
    """A client that is not signed in."""
    async with Client(platform.url) as client:
        yield client


@pytest.fixture
async def user(platform: RunningPlatform) -> AsyncIterator[Client]:
    """The development user, by bearer token."""
    async with Client(platform.url) as client:
        client.token = await client.sign_in(*platform.password("user"))
        client.session.cookie_jar.clear()
        yield client


@pytest.fixture
async def admin(platform: RunningPlatform) -> AsyncIterator[Client]:
    """The development admin, by bearer token."""
    async with Client(platform.url) as client:
        client.token = await client.sign_in(*platform.password("admin"))
        client.session.cookie_jar.clear()
        yield client
