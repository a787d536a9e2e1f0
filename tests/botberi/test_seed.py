"""A seed finds what is missing, keeps what people changed, and may run twice at once."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from jsonschema import Draft202012Validator
from sqlalchemy import func, select

from botberi import credentials
from botberi.run.errors import StartError
from botberi.seed import seed
from shared_schema.database import Database, PoolOptions
from shared_schema.models import Account, Agent, Template
from shared_schema.platform_account import EMAIL as PUBLISHER_EMAIL
from shared_schema.states import PublicationStatus, Role
from workers.registry import TEMPLATES, WORKFLOWS

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
async def databases(user_database_url: str, shared_database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    options = PoolOptions(pool_size=2)
    both = Database(user_database_url, options), Database(shared_database_url, options)
    yield both
    for one in both:
        await one.aclose()


@pytest.fixture
def accounts(tmp_path: Path) -> tuple[credentials.Credential, ...]:
    return credentials.load_or_make(tmp_path)


async def count(database: Database, model: Any) -> int:
    async with database.unit_of_work() as session:
        return int(await session.scalar(select(func.count()).select_from(model)) or 0)


async def test_an_empty_platform_becomes_one_to_begin_with(
    databases: tuple[Database, Database], accounts: tuple[credentials.Credential, ...]
) -> None:
    await asyncio.gather(*(seed(*databases, accounts, HASHER) for _ in range(2)))
    assert await count(databases[0], Account) == 3
    assert await count(databases[1], Agent) == len(WORKFLOWS)
    assert await count(databases[1], Template) == sum(map(len, TEMPLATES.values()))
    async with databases[0].unit_of_work() as session:
        by_email = {account.email: account for account in await session.scalars(select(Account))}
    assert by_email[credentials.ADMIN_EMAIL].role is Role.ADMIN
    assert by_email[credentials.USER_EMAIL].role is Role.USER
    for one in accounts:
        assert HASHER.verify(by_email[one.email].password_hash, one.password)
    async with databases[1].unit_of_work() as session:
        for agent in await session.scalars(select(Agent)):
            assert agent.status is PublicationStatus.PUBLISHED
            assert agent.publisher_id == by_email[PUBLISHER_EMAIL].id
            Draft202012Validator.check_schema(agent.parameters_schema)
        again = await seed(*databases, accounts, HASHER)
    assert (again.accounts, again.agents, again.templates) == (0, 0, 0)


async def test_what_people_changed_stays_and_what_the_code_says_returns(
    databases: tuple[Database, Database], accounts: tuple[credentials.Credential, ...], tmp_path: Path
) -> None:
    await seed(*databases, accounts, HASHER)
    async with databases[1].unit_of_work() as session:
        agent = (await session.scalars(select(Agent).where(Agent.slug == "forecast"))).one()
        agent.name, agent.status, agent.parameters_schema = "Ours", PublicationStatus.RETIRED, {"type": "object"}
    (tmp_path / credentials.FILE_NAME).unlink()
    renewed = credentials.load_or_make(tmp_path)
    done = await seed(*databases, renewed, HASHER)
    assert (done.accounts, done.agents, done.templates) == (2, 1, 0)
    async with databases[1].unit_of_work() as session:
        agent = (await session.scalars(select(Agent).where(Agent.slug == "forecast"))).one()
        assert (agent.name, agent.status) == ("Ours", PublicationStatus.RETIRED)
        assert agent.parameters_schema == WORKFLOWS["forecast"].input_model.model_json_schema()


@pytest.mark.parametrize(("slug", "example"), [(slug, one) for slug, some in TEMPLATES.items() for one in some])
def test_each_template_fits_its_agent(slug: str, example: Any) -> None:
    Draft202012Validator(WORKFLOWS[slug].input_model.model_json_schema()).validate(dict(example.parameters))


def test_passwords_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    first, second = credentials.load_or_make(tmp_path), credentials.load_or_make(tmp_path)
    assert [one.password for one in first] == [one.password for one in second]
    assert len({one.password for one in first}) == 2
    assert stat.S_IMODE((tmp_path / credentials.FILE_NAME).stat().st_mode) == 0o600
    assert first[0].password not in repr(first)
    (tmp_path / credentials.FILE_NAME).write_text("{")
    with pytest.raises(StartError, match=r"credentials\.json"):
        credentials.load_or_make(tmp_path)
