"""W3: accounts without end from one address are throttled; the credentials of one account are as well."""

from collections.abc import AsyncIterator

import pytest

from tests.subgraphs.conftest import Client
from tests.support.identity import PASSWORD, answer_to_register, from_address, identity_client, login, register

pytestmark = pytest.mark.postgres

CREATE_KEY = 'mutation { createApiKey(input: {name: "k"}) { __typename } }'


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url, registrations_per_hour=4) as client:
        yield client


@pytest.mark.parametrize(
    ("addresses", "admitted"),
    [(["203.0.113.1"] * 6, 4), ([f"2001:db8::{number:x}" for number in range(6)], 4)],
    ids=["an address", "a /64"],
)
async def test_an_address_registers_only_so_many_an_hour(identity: Client, addresses: list[str], admitted: int) -> None:
    answers = [await answer_to_register(identity, {}, **from_address(each)) for each in addresses]
    kinds = [answer["__typename"] for answer in answers]
    assert kinds == ["RegisterSuccess"] * admitted + ["ThrottledError"] * 2
    assert 60 < answers[-1]["retryAfterSeconds"] <= 3600 / 4


async def test_taken_addresses_count_too(identity: Client) -> None:
    """Who asks which addresses have an account (W1) asks only so often."""
    _, email = await register(identity, addr="192.0.2.1")
    kinds = [(await answer_to_register(identity, {"email": email}, addr="192.0.2.2"))["__typename"] for _ in range(6)]
    assert kinds == ["ConflictError"] * 4 + ["ThrottledError"] * 2


async def test_one_account_gets_only_so_many_credentials_an_hour(user_database_url: str) -> None:
    async with identity_client(user_database_url, credentials_per_hour=5) as client:
        account_id, email = await register(client)
        kinds = [(await client.ask(CREATE_KEY, account_id=account_id))["createApiKey"]["__typename"] for _ in range(3)]
        kinds += [(await login(client, email, PASSWORD))["__typename"] for _ in range(3)]
        assert kinds == ["CreateApiKeySuccess"] * 3 + ["LoginSuccess"] * 2 + ["ThrottledError"]
