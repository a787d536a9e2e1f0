"""Servers that tests of several packages use; each is started when the first test asks for it."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# The gateway's tests run without SQLAlchemy, Alembic or a driver: they are imported when asked for.
if TYPE_CHECKING:
    from lab.faults.rabbitmq import RabbitNode
    from tests.support.postgres import TestPostgres


@pytest.fixture(scope="session")
def postgres() -> "Iterator[TestPostgres]":
    """A Postgres server of this test process (with pytest-xdist: of this worker).

    BOTBERI_TEST_POSTGRES_URL (a superuser's URL) runs the tests on another server, of another version say.
    """
    from tests.support.postgres import TestPostgres

    with TestPostgres(os.environ.get("BOTBERI_TEST_POSTGRES_URL")) as server:
        yield server


@pytest.fixture(scope="module")
def user_database_url(postgres: "TestPostgres") -> Iterator[str]:
    """A fresh, migrated `user_psql` for this module."""
    name = postgres.migrated("user_psql")
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="module")
def shared_database_url(postgres: "TestPostgres") -> Iterator[str]:
    """A fresh, migrated `shared_psql` for this module."""
    name = postgres.migrated("shared_psql")
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def rabbit_node() -> "Iterator[RabbitNode]":
    """A RabbitMQ node that a test may stop and start; it is up whenever a test begins."""
    from lab.faults.rabbitmq import RabbitNode, installed

    if not installed():
        pytest.skip("no RabbitMQ: set BOTBERI_TEST_AMQP_URL, or install Debian's rabbitmq-server")
    with RabbitNode() as node:
        yield node


@pytest.fixture(scope="session")
def amqp_url(request: pytest.FixtureRequest) -> str:
    """A RabbitMQ: the one of BOTBERI_TEST_AMQP_URL, or a node of our own."""
    if given := os.environ.get("BOTBERI_TEST_AMQP_URL"):
        return given
    node: RabbitNode = request.getfixturevalue("rabbit_node")
    return node.url


@pytest.fixture(scope="module")
def own_amqp_url(request: pytest.FixtureRequest) -> str:
    """A virtual host that this module has for itself, for platforms and workers, which take whatever message comes.

    On a RabbitMQ of BOTBERI_TEST_AMQP_URL it is the one of that URL.
    """
    if given := os.environ.get("BOTBERI_TEST_AMQP_URL"):
        return given
    node: RabbitNode = request.getfixturevalue("rabbit_node")
    return node.virtual_host(request.module.__name__)
