"""V9: wrong guesses of others never keep out an owner who is or was signed in; guesses on many networks are slowed."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from shared_schema.models import SignInThrottle
from subgraphs.identity.repository import lock_throttles
from subgraphs.identity.throttle import Bucket, Throttle
from tests.subgraphs.conftest import Client
from tests.support.identity import (
    CHANGE_PASSWORD,
    LOGIN,
    PASSWORD,
    WRONG,
    audit_entries,
    identity_client,
    login,
    logins,
    register,
    signed_in,
)

pytestmark = pytest.mark.postgres

OWNER, ATTACKER = "198.51.100.1", "203.0.113.66"


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url, sign_in_attempts=3, sign_in_attempts_per_account=8) as client:
        yield client


async def lock(client: Client, email: str) -> None:
    """Have others guess until the account is slowed for everybody that it doesn't know."""
    for number in range(4):
        await logins(client, email, WRONG, 3, addr=f"203.0.113.{number}")
    assert (await login(client, email, addr="192.0.2.99"))["__typename"] == "ThrottledError"


async def device_of(client: Client, email: str, **who: Any) -> str:
    """The device cookie that a sign-in sets, as the gateway says it: its hash."""
    answer = await client.post(LOGIN, {"input": {"email": email, "password": PASSWORD}}, **who)
    cookie = next(each for each in answer.all("set-cookie") if each.startswith("botberi_device="))
    return hashlib.sha256(cookie.split(";")[0].partition("=")[2].encode()).hexdigest()


async def test_another_clients_wrong_passwords_slow_only_that_client(identity: Client) -> None:
    _, email = await register(identity)
    assert (
        await logins(identity, email, WRONG, 5, addr=ATTACKER) == ["UnauthenticatedError"] * 3 + ["ThrottledError"] * 2
    )
    assert (await login(identity, email, addr=OWNER))["__typename"] == "LoginSuccess"
    assert (await login(identity, email, addr=ATTACKER))["__typename"] == "ThrottledError"


async def test_a_session_is_not_refused(identity: Client) -> None:
    _, email = await register(identity)
    session = await signed_in(identity, email, addr=OWNER)
    await lock(identity, email)
    assert (await login(identity, email, addr=OWNER, **session))["__typename"] == "LoginSuccess"


async def test_a_known_device_is_not_refused_from_any_address(identity: Client) -> None:
    _, email = await register(identity)
    device = await device_of(identity, email, addr=OWNER)
    await lock(identity, email)
    assert (await login(identity, email, addr="192.0.2.7", device=device))["__typename"] == "LoginSuccess"
    # A device is known to its account alone, and its own wrong guesses count.
    _, other = await register(identity)
    await lock(identity, other)
    assert (await login(identity, other, addr="192.0.2.7", device=device))["__typename"] == "ThrottledError"
    kinds = await logins(identity, email, WRONG, 4, addr=ATTACKER, device=device)
    assert kinds == ["UnauthenticatedError"] * 3 + ["ThrottledError"]


async def test_a_device_without_a_sign_in_is_not_known(identity: Client) -> None:
    _, email = await register(identity)
    await lock(identity, email)
    made_up = hashlib.sha256(b"bbd_made_up").hexdigest()
    assert (await login(identity, email, addr="192.0.2.8", device=made_up))["__typename"] == "ThrottledError"


async def test_one_browser_is_known_to_each_account_that_signed_in_with_it(identity: Client) -> None:
    (_, first), (_, second) = await register(identity), await register(identity)
    device = await device_of(identity, first)
    answer = await identity.post(LOGIN, {"input": {"email": second, "password": PASSWORD}}, device=device)
    assert [each.partition("=")[0] for each in answer.all("set-cookie")] == ["botberi_session"]
    for email in (first, second):
        await lock(identity, email)
        assert (await login(identity, email, device=device))["__typename"] == "LoginSuccess"


async def test_a_changed_password_counts_apart_from_sign_ins(identity: Client) -> None:
    account_id, email = await register(identity)
    session, other = await signed_in(identity, email), await signed_in(identity, email)
    await lock(identity, email)
    assert await change(identity, WRONG, session) == "ValidationError"
    for _ in range(2):
        await change(identity, WRONG, session)
    assert await change(identity, PASSWORD, session) == "ThrottledError"
    # A stolen session's guesses are no other session's, and keep no one from signing in.
    assert await change(identity, WRONG, other) == "ValidationError"
    assert (await login(identity, email, addr="192.0.2.9", **other))["__typename"] == "LoginSuccess"
    outcomes = [each.outcome for each in await audit_entries(identity, account_id) if "password" in each.action]
    assert outcomes == ["FAILURE"] * 3 + ["DENIED", "FAILURE"]


async def change(client: Client, current: str, session: dict[str, Any]) -> str:
    given = {"currentPassword": current, "newPassword": "another horse battery"}
    answer = (await client.ask(CHANGE_PASSWORD, {"input": given}, **session))["changePassword"]
    return str(answer["__typename"])


async def test_one_account_guessed_from_many_networks_is_slowed_and_not_for_long(identity: Client) -> None:
    _, email = await register(identity)
    kinds = [(await login(identity, email, WRONG, addr=f"203.0.113.{number}"))["__typename"] for number in range(12)]
    assert kinds == ["UnauthenticatedError"] * 8 + ["ThrottledError"] * 4
    refused = await login(identity, email, addr="192.0.2.1")
    assert refused["retryAfterSeconds"] <= 15 * 60 / 8 + 1  # rounded up to whole seconds


async def test_a_wait_that_is_over_counts_as_no_pause(identity: Client) -> None:
    """The count starts again a whole window after the end of the wait; till then each wrong password doubles it."""
    _, email = await register(identity)
    await logins(identity, email, WRONG, 3, addr=ATTACKER)
    for minutes, wait in ((1, 60), (2, 120)):
        await let_pass(identity, minutes)
        assert (await login(identity, email, WRONG, addr=ATTACKER))["__typename"] == "UnauthenticatedError"
        refused = await login(identity, email, WRONG, addr=ATTACKER)
        assert wait - 5 < refused["retryAfterSeconds"] <= wait
    await let_pass(identity, 18)
    assert await logins(identity, email, WRONG, 3, addr=ATTACKER) == ["UnauthenticatedError"] * 3


async def let_pass(client: Client, minutes: int) -> None:
    """Have counters think that time has passed."""
    passed = timedelta(minutes=minutes)
    values = {
        "updated_at": SignInThrottle.updated_at - passed,
        "blocked_until": SignInThrottle.blocked_until - passed,
    }
    async with client.store.unit_of_work() as session:
        await session.execute(update(SignInThrottle).values(values))
    await asyncio.sleep(1.1)  # As long as a process remembers a refusal.


async def test_sign_ins_of_one_account_at_once_neither_lock_each_other_nor_get_lost(user_database_url: str) -> None:
    async with identity_client(user_database_url, sign_in_attempts=500, sign_in_attempts_per_account=500) as client:
        _, email = await register(client)
        tries = [login(client, email, addr=f"198.51.100.{number % 4}") for number in range(20)]
        assert {answer["__typename"] for answer in await asyncio.gather(*tries)} == {"LoginSuccess"}


async def waits_for_locks(client: Client, count: int) -> None:
    """Return once so many sessions of the database wait for another's lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(20):
        while True:
            async with client.store.unit_of_work() as session:
                if await session.scalar(waiting) >= count:
                    return
            await asyncio.sleep(0.02)


async def test_a_right_password_clears_no_counter_that_another_try_has_made_meanwhile(identity: Client) -> None:
    """The other try holds that counter and waits for the next one: waiting for it here would be a circle."""
    buckets = [Bucket(f"test {number}", 3, 60.0, 60.0) for number in range(2)]
    low, high = sorted(buckets, key=lambda bucket: bucket.key)
    async with identity.store.unit_of_work() as session:
        await lock_throttles(session, [high.key])
    async with identity.store.unit_of_work() as another:
        async with identity.store.unit_of_work() as first:
            await lock_throttles(first, [high.key])
            forgiving = asyncio.create_task(Throttle(identity.store).forgive(buckets))
            await waits_for_locks(identity, 1)
            async with identity.store.unit_of_work() as session:
                await lock_throttles(session, [low.key])
            await lock_throttles(another, [low.key])
            waiting = asyncio.create_task(lock_throttles(another, [high.key]))
            await waits_for_locks(identity, 2)
        await asyncio.wait_for(waiting, 20)
    await asyncio.wait_for(forgiving, 20)


async def test_guesses_that_are_sent_at_once_count_one_by_one(identity: Client) -> None:
    _, email = await register(identity)
    answers = await asyncio.gather(*(login(identity, email, WRONG, addr=ATTACKER) for _ in range(30)))
    kinds = sorted(answer["__typename"] for answer in answers)
    assert kinds == ["ThrottledError"] * 27 + ["UnauthenticatedError"] * 3
