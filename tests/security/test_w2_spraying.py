"""W2: passwords tried on many accounts from one address are throttled, and what counts them stays small."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select

from shared_schema.models import AuditEntry, SignInThrottle
from subgraphs.identity import repository
from subgraphs.identity.networks import site_of
from tests.subgraphs.conftest import Client
from tests.support.identity import WRONG, from_address, identity_client, login, new_address, register

pytestmark = pytest.mark.postgres


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    # Tries are given back over a day, so that none is while a slow test runs.
    day = 24 * 3600
    async with identity_client(user_database_url, sign_in_attempts_per_address=5, sign_in_window_seconds=day) as client:
        yield client


async def spray(client: Client, addresses: list[str]) -> list[str]:
    """Kinds of what one wrong password on a new account from each client address answers."""
    return [(await login(client, new_address(), WRONG, **from_address(each)))["__typename"] for each in addresses]


@pytest.mark.parametrize(
    ("addresses", "admitted"),
    [
        (["203.0.113.1"] * 8, 5),
        # IPv6: all addresses of a /64 are one client's.
        ([f"2001:db8:1:1::{number:x}" for number in range(8)], 5),
        # And a /48 has 16 times as much, however many of its networks are used.
        ([f"2001:db8:2:{number:x}::1" for number in range(84)], 80),
        ([f"2001:db8:{number:x}::1" for number in range(100, 108)], 8),
        ([f"192.0.2.{number}" for number in range(8)], 8),
    ],
    ids=["an address", "a /64", "a /48", "many sites", "many addresses"],
)
async def test_guesses_on_many_accounts_count_together(identity: Client, addresses: list[str], admitted: int) -> None:
    kinds = await spray(identity, addresses)
    assert kinds == ["UnauthenticatedError"] * admitted + ["ThrottledError"] * (len(addresses) - admitted)


async def test_right_passwords_do_not_use_up_the_address(identity: Client) -> None:
    """An office behind one address signs in as often as it likes."""
    _, email = await register(identity)
    for _ in range(8):
        assert (await login(identity, email, addr="198.51.100.7"))["__typename"] == "LoginSuccess"


async def test_clients_whose_address_is_unknown_are_one_client(identity: Client) -> None:
    kinds = [(await login(identity, new_address(), WRONG))["__typename"] for _ in range(7)]
    assert kinds[-1] == "ThrottledError"
    assert site_of(None) == "unknown"


async def test_what_is_refused_leaves_no_rows(identity: Client) -> None:
    await spray(identity, ["203.0.113.9"] * 6)
    before = await counts(identity)
    await spray(identity, ["203.0.113.9"] * 30)
    assert await counts(identity) == before


async def counts(client: Client) -> tuple[int, int]:
    async with client.store.read() as session:
        throttles = await session.scalar(select(func.count()).select_from(SignInThrottle))
        entries = await session.scalar(select(func.count()).select_from(AuditEntry))
    return throttles or 0, entries or 0


async def test_the_table_of_counters_has_a_largest_size(identity: Client) -> None:
    await spray(identity, [f"198.51.100.{number}" for number in range(20, 40)])
    async with identity.store.unit_of_work() as session:
        await repository.sweep_throttles(session, repository.DEVICE_KEPT, 10)
    assert (await counts(identity))[0] == 10
