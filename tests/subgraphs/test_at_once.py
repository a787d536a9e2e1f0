"""Many requests at the same moment: limits hold exactly, and slow work blocks no other request."""

import asyncio
import threading
import time
from collections import Counter
from typing import Any

import psycopg
import pytest
from argon2 import PasswordHasher

from shared_schema.ids import new_id, to_global_id
from subgraphs.identity import throttle
from subgraphs.identity.app import create_app
from subgraphs.identity.turns import Applicant, Turns
from tests.subgraphs.conftest import Client, add_agent, identity_settings
from tests.subgraphs.test_identity_mutations import CREATE_KEY, LOGIN, PASSWORD, REGISTER, login, register
from tests.subgraphs.test_instance import CREATE


async def kinds(field: str, *requests: Any) -> Counter[str]:
    """How often each type was answered."""
    return Counter(data[field]["__typename"] for data in await asyncio.gather(*requests))


async def test_the_limit_of_active_instances_holds(instance: Client) -> None:
    owner, agent = new_id(), await add_agent(instance)
    given = {"input": {"agentId": to_global_id("Agent", agent.id), "parameters": {"texts": ["a"]}}}
    answers = await kinds("createInstance", *(instance.ask(CREATE, given, account_id=owner) for _ in range(12)))
    assert answers == {"CreateInstanceSuccess": 5, "ConflictError": 7}


async def test_a_burst_of_one_account_leaves_connections_to_others(instance: Client, shared_database_url: str) -> None:
    """While one account's turn takes long, its other requests wait without a connection each."""
    owner, agent = new_id(), await add_agent(instance)
    given = {"input": {"agentId": to_global_id("Agent", agent.id), "parameters": {"texts": ["a"]}}}
    turn = int.from_bytes(owner.bytes[-8:], signed=True)
    async with await psycopg.AsyncConnection.connect(shared_database_url) as slow:
        await slow.execute("SELECT pg_advisory_xact_lock(%s)", (turn,))
        burst = [asyncio.create_task(instance.ask(CREATE, given, account_id=owner)) for _ in range(40)]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(4):
            answer = await instance.ask(CREATE, given, account_id=new_id())
        assert answer["createInstance"]["__typename"] == "CreateInstanceSuccess"
        assert not any(one.done() for one in burst)
        await slow.rollback()
    answers = Counter(one["createInstance"]["__typename"] for one in await asyncio.gather(*burst))
    assert answers == {"CreateInstanceSuccess": 5, "ConflictError": 35}


async def test_one_idempotency_key_makes_one_instance(instance: Client) -> None:
    owner, agent = new_id(), await add_agent(instance)
    given = {"agentId": to_global_id("Agent", agent.id), "parameters": {"texts": ["a"]}, "idempotencyKey": "k"}
    answers = await asyncio.gather(*(instance.ask(CREATE, {"input": given}, account_id=owner) for _ in range(8)))
    assert len({answer["createInstance"]["instance"]["id"] for answer in answers}) == 1


async def test_the_limit_of_keys_holds(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, api_keys_per_account=3), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        account_id, _ = await register(client)
        given = {"input": {"name": "k"}}
        answers = await kinds(
            "createApiKey", *(client.ask(CREATE_KEY, given, account_id=account_id) for _ in range(10))
        )
        assert answers == {"CreateApiKeySuccess": 3, "ConflictError": 7}


async def test_an_address_is_registered_once(identity: Client) -> None:
    given = {"email": f"u{new_id().hex}@example.com", "password": PASSWORD, "displayName": "Ada"}
    answers = await kinds("register", *(identity.ask(REGISTER, {"input": given}) for _ in range(8)))
    assert answers == {"RegisterSuccess": 1, "ConflictError": 7}


async def test_tries_are_counted_before_they_are_checked(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, sign_in_attempts=4), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        _, email = await register(client)
        given = {"input": {"email": email, "password": "wrong horse battery"}}
        answers = await kinds("login", *(client.ask(LOGIN, given) for _ in range(12)))
        assert answers == {"UnauthenticatedError": 4, "ThrottledError": 8}


async def test_known_and_unknown_addresses_take_the_same_work(
    identity: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[str] = []
    verify = PasswordHasher.verify

    def noted(self: PasswordHasher, stored: str, password: str) -> bool:
        work.append("argon2")
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", noted)
    monkeypatch.setattr(throttle, "SWEEP_CHANCE", 0.0)  # sweeping falls on either by chance
    _, email = await register(identity)
    seen = []
    for address, password in ((email, "wrong horse battery"), (f"u{new_id().hex}@example.com", PASSWORD)):
        work.clear()
        with identity.counting() as statements:
            await login(identity, address, password)
        seen.append((work[:], statements))
    assert seen[0] == seen[1]
    assert seen[0][0] == ["argon2"]


async def test_hashing_leaves_the_loop_alone_and_its_queue_is_bounded(
    user_database_url: str, signer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def slow(*_: Any) -> bool:
        gate.wait(20)
        return True

    entered: list[Applicant] = []
    all_wait = asyncio.Event()
    acquire = Turns.acquire

    async def noted(self: Turns, applicant: Applicant) -> None:
        entered.append(applicant)
        if len(entered) == 6:  # Each of three is counted, and then waits for a thread.
            asyncio.get_running_loop().call_soon(all_wait.set)
        await acquire(self, applicant)

    settings = identity_settings(user_database_url, password_threads=1, password_queue=2)
    async with Client(create_app(settings, jwks=signer.jwks()), "identity", signer) as client:
        monkeypatch.setattr(PasswordHasher, "verify", slow)
        monkeypatch.setattr(Turns, "acquire", noted)
        waiting = [asyncio.create_task(login(client, f"u{new_id().hex}@example.com")) for _ in range(3)]
        try:
            async with asyncio.timeout(20):
                await all_wait.wait()
            started = time.perf_counter()
            assert await client.ask("{ me { id } }") == {"me": None}
            assert time.perf_counter() - started < 0.2
            given = {"input": {"email": "one.more@example.com", "password": PASSWORD}}
            error = await client.fail(LOGIN, given)
            assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        finally:
            gate.set()
        answers = [each["__typename"] for each in await asyncio.gather(*waiting)]
        assert answers == ["UnauthenticatedError"] * 3
        # The threads are free again.
        assert (await login(client, "one.more@example.com"))["__typename"] == "UnauthenticatedError"
