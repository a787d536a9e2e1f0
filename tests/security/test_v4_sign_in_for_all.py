"""V4: no caller can use up what others need to sign in, register or change their password."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from subgraphs.common.errors import Busy
from subgraphs.identity.turns import Applicant, Turns
from tests.subgraphs.conftest import Client
from tests.support.identity import (
    CHANGE_PASSWORD,
    LOGIN,
    PASSWORD,
    WRONG,
    answer_to_register,
    identity_client,
    login,
    logins,
    new_address,
    register,
    signed_in,
)

ATTACKER, OTHER = "203.0.113.66", "198.51.100.1"


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    # Tries are given back over a day, so that none is while a slow test runs.
    limits = {"sign_in_attempts_per_address": 20, "sign_in_window_seconds": 24 * 3600, "registrations_per_hour": 20}
    async with identity_client(user_database_url, **limits) as client:
        yield client


@pytest.mark.postgres
async def test_a_flood_of_aliased_logins_throttles_its_own_address_alone(identity: Client) -> None:
    _, email = await register(identity, addr=OTHER)
    session = await signed_in(identity, email, addr=OTHER)
    one = f'login(input: {{email: "{new_address()}", password: "{WRONG}"}}) {{ __typename }}'
    document = "mutation {" + " ".join(f"a{number}: {one}" for number in range(100)) + "}"
    for _ in range(3):
        data = await identity.ask(document, addr=ATTACKER)
    # On a slow machine the first waits, of 30 and 60 s, may end meanwhile.
    assert [each["__typename"] for each in data.values()].count("ThrottledError") >= 97

    assert (await login(identity, email, addr=OTHER))["__typename"] == "LoginSuccess"
    assert (await answer_to_register(identity, {}, addr=OTHER))["__typename"] == "RegisterSuccess"
    given = {"currentPassword": PASSWORD, "newPassword": "another horse battery"}
    changed = await identity.ask(CHANGE_PASSWORD, {"input": given}, addr=OTHER, **session)
    assert changed["changePassword"]["__typename"] == "ChangePasswordSuccess"


@pytest.mark.postgres
async def test_a_flood_of_registrations_leaves_others_room(identity: Client) -> None:
    kinds = [(await answer_to_register(identity, {}, addr=ATTACKER))["__typename"] for _ in range(22)]
    assert kinds[-1] == "ThrottledError"
    assert (await answer_to_register(identity, {}, addr=OTHER))["__typename"] == "RegisterSuccess"
    _, email = await register(identity, addr=OTHER)
    assert (await login(identity, email, addr=ATTACKER))["__typename"] == "LoginSuccess"


@pytest.mark.postgres
async def test_sign_ins_that_are_shed_do_not_count_as_wrong_ones(user_database_url: str) -> None:
    slow = {"password_memory_kib": 16_384, "password_time_cost": 4}
    narrow = {"password_threads": 1, "password_queue": 1, "password_queue_per_client": 1}
    async with identity_client(user_database_url, sign_in_attempts=20, **slow, **narrow) as client:
        _, email = await register(client)
        wrong = {"input": {"email": email, "password": WRONG}}
        answers = await asyncio.gather(*(client.post(LOGIN, wrong, addr=OTHER) for _ in range(20)))
        errors = [error for answer in answers for error in answer.json().get("errors", ())]
        assert {error["extensions"]["code"] for error in errors} == {"SERVICE_UNAVAILABLE"}
        checked = len(answers) - len(errors)
        assert await logins(client, email, WRONG, 21 - checked, addr=OTHER) == ["UnauthenticatedError"] * (
            20 - checked
        ) + ["ThrottledError"]


@pytest.mark.postgres
async def test_a_burst_of_one_address_holds_up_no_other(identity: Client) -> None:
    """Hundreds at once: they wait behind each other, and not for the connections that others need."""
    _, email = await register(identity, addr=OTHER)
    burst = [asyncio.create_task(login_kind(identity, new_address(), ATTACKER)) for _ in range(300)]
    await asyncio.sleep(0)
    kinds = await asyncio.gather(*(login_kind(identity, email, OTHER, PASSWORD) for _ in range(3)))
    unfinished = sum(not each.done() for each in burst)
    assert kinds == ["LoginSuccess"] * 3
    answers = Counter(await asyncio.gather(*burst))
    assert unfinished > 0 or answers["SERVICE_UNAVAILABLE"] > 200, "the burst was over before anybody else came"
    assert answers["UnauthenticatedError"] <= 20, "what is sent at once is counted like anything else"
    assert set(answers) <= {"UnauthenticatedError", "ThrottledError", "SERVICE_UNAVAILABLE"}


async def login_kind(client: Client, email: str, addr: str, password: str = WRONG) -> str:
    given = {"input": {"email": email, "password": password}}
    answer = (await client.post(LOGIN, given, addr=addr)).json()
    if "errors" in answer:
        return str(answer["errors"][0]["extensions"]["code"])
    return str(answer["data"]["login"]["__typename"])


class TestTurns:
    """How clients share the threads that hash passwords."""

    async def test_clients_have_turns_whatever_number_each_sends(self) -> None:
        turns = Turns(places=1, waiting=100, waiting_per_client=100)
        await turns.acquire(Applicant("first"))
        order: list[str] = []
        flood = [_wait(turns, "attacker", order) for _ in range(50)]
        await asyncio.sleep(0)
        others = [_wait(turns, name, order) for name in ("ada", "grace")]
        await asyncio.sleep(0)
        turns.release()
        await asyncio.gather(*flood, *others)
        assert order[:4] == ["attacker", "ada", "grace", "attacker"]

    async def test_a_full_queue_sheds_the_client_that_waits_most(self) -> None:
        turns = Turns(places=1, waiting=10, waiting_per_client=10)
        await turns.acquire(Applicant("first"))
        order: list[str] = []
        flood = [_wait(turns, "attacker", order) for _ in range(12)]
        await asyncio.sleep(0)
        others = [_wait(turns, name, order) for name in ("ada", "grace")]
        await asyncio.sleep(0)
        turns.release()
        refused = [each for each in await asyncio.gather(*flood, return_exceptions=True) if each is not None]
        assert len(refused) == 4
        assert all(isinstance(each, Busy) for each in refused)
        await asyncio.gather(*others)

    async def test_one_client_waits_only_so_often(self) -> None:
        turns = Turns(places=1, waiting=100, waiting_per_client=3)
        await turns.acquire(Applicant("first"))
        waiting = [_wait(turns, "attacker", []) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await turns.acquire(Applicant("attacker"))
        turns.release()
        await asyncio.gather(*waiting)

    async def test_known_clients_have_every_second_turn_of_a_flood_from_many_addresses(self) -> None:
        turns = Turns(places=1, waiting=20, waiting_per_client=5)
        await turns.acquire(Applicant("first"))
        order: list[str] = []
        flood = [_wait(turns, f"bot {number}", order) for number in range(20)]
        await asyncio.sleep(0)
        known = [_wait(turns, f"owner {number}", order, is_known=True) for number in range(3)]
        await asyncio.sleep(0)
        turns.release()
        await asyncio.gather(*known)
        assert [name.partition(" ")[0] for name in order[:5]] == ["owner", "bot", "owner", "bot", "owner"]
        await asyncio.gather(*flood, return_exceptions=True)

    async def test_who_gives_up_waits_no_longer_and_loses_no_place(self) -> None:
        turns = Turns(places=1, waiting=2, waiting_per_client=2)
        await turns.acquire(Applicant("first"))
        order: list[str] = []
        gone, stays = _wait(turns, "gone", order), _wait(turns, "stays", order)
        await asyncio.sleep(0)
        gone.cancel()
        turns.release()
        await asyncio.wait({gone, stays})
        assert order == ["stays"]
        late = _wait(turns, "late", order)
        await late
        # All places are free again: the next one doesn't wait.
        await asyncio.wait_for(turns.acquire(Applicant("next")), 1)


def _wait(turns: Turns, name: str, order: list[str], *, is_known: bool = False) -> "asyncio.Task[None]":
    async def work() -> None:
        await turns.acquire(Applicant(name, is_known))
        order.append(name)
        await asyncio.sleep(0)
        turns.release()

    return asyncio.ensure_future(work())
