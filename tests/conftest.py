"""Servers that tests of several packages use; each is started when the first test asks for it."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import TestPostgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestPostgres]:
    """A Postgres server of this test process (with pytest-xdist: of this worker)."""
    with TestPostgres() as server:
        yield server


@pytest.fixture(scope="module")
def user_database_url(postgres: TestPostgres) -> Iterator[str]:
    """A fresh, migrated `user_psql` for this module."""
    name = postgres.migrated("user_psql")
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="module")
def shared_database_url(postgres: TestPostgres) -> Iterator[str]:
    """A fresh, migrated `shared_psql` for this module."""
    name = postgres.migrated("shared_psql")
    yield postgres.url(name)
    postgres.drop(name)
