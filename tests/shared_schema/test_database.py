"""Units of work commit or leave nothing; models read back what triggers wrote; waits are bounded."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared_schema.contracts.events import CatalogEntryChanged, EventData
from shared_schema.database import Database, PoolOptions, SyncDatabase
from shared_schema.ids import new_id
from shared_schema.models import Agent, Instance, SharedOutbox
from shared_schema.outbox import record
from shared_schema.states import InstanceStatus

pytestmark = pytest.mark.postgres


def make_agent() -> Agent:
    return Agent(slug=f"agent-{new_id().hex}", name="Agent", workflow="w", publisher_id=new_id())


@pytest.fixture
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    made = Database(shared_database_url)
    yield made
    await made.aclose()


async def test_a_unit_of_work_commits(database: Database) -> None:
    agent = make_agent()
    async with database.unit_of_work() as session:
        session.add(agent)
    async with database.unit_of_work() as session:
        found = (await session.execute(select(Agent).where(Agent.slug == agent.slug))).scalar_one()
    assert (found.id, found.version, found.tags) == (agent.id, 1, [])


async def test_a_unit_of_work_that_raises_leaves_nothing(database: Database) -> None:
    agent = make_agent()

    async def work() -> None:
        async with database.unit_of_work() as session:
            session.add(agent)
            await session.flush()
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await work()
    async with database.unit_of_work() as session:
        assert (await session.execute(select(Agent.id).where(Agent.slug == agent.slug))).first() is None


async def test_what_triggers_wrote_is_read_back_without_another_query(database: Database) -> None:
    agent = make_agent()
    instance = Instance(owner_id=new_id(), agent=agent, name="Run")
    async with database.unit_of_work() as session:
        session.add(instance)
        await session.flush()
        assert (instance.version, instance.status, instance.progress) == (1, InstanceStatus.PENDING, 0)
        created = instance.updated_at
        instance.status = InstanceStatus.RUNNING
        await session.flush()
        assert instance.version == 2
        assert instance.updated_at > created


async def test_an_illegal_transition_is_an_integrity_error(database: Database) -> None:
    async with database.unit_of_work() as session:
        instance = Instance(owner_id=new_id(), agent=make_agent(), name="Run", status=InstanceStatus.SUCCEEDED)
        session.add(instance)

    async def work() -> None:
        async with database.unit_of_work() as session:
            (await session.get_one(Instance, instance.id)).status = InstanceStatus.RUNNING

    with pytest.raises(IntegrityError, match="its outcome does not change"):
        await work()


async def test_an_event_may_be_recorded_by_hand(database: Database) -> None:
    data = CatalogEntryChanged(id=new_id(), version=5, owner_id=new_id(), agent_id=new_id(), status="DRAFT")
    async with database.unit_of_work() as session:
        record(session, SharedOutbox, "agent.updated", data)
    async with database.unit_of_work() as session:
        row = (await session.execute(select(SharedOutbox).where(SharedOutbox.aggregate_id == data.id))).scalar_one()
    assert (row.aggregate_type, row.event_type, row.version) == ("agent", "agent.updated", 5)
    assert CatalogEntryChanged.model_validate(row.data) == data
    with pytest.raises(ValueError, match=r"no contract names version 1 of agent\.published"):
        record(session, SharedOutbox, "agent.published", data)
    with pytest.raises(ValueError, match="owner_id"):
        record(session, SharedOutbox, "agent.updated", EventData(id=new_id(), version=1))


async def test_a_query_that_takes_too_long_is_ended(shared_database_url: str) -> None:
    database = Database(shared_database_url, PoolOptions(statement_timeout_seconds=0.1))
    with pytest.raises(DBAPIError, match="statement timeout"):
        async with database.unit_of_work() as session:
            await session.execute(text("SELECT pg_sleep(5)"))
    await database.aclose()


async def test_a_full_pool_is_an_error_soon(shared_database_url: str) -> None:
    options = PoolOptions(pool_size=1, max_overflow=0, pool_timeout_seconds=0.1)
    database = Database(shared_database_url, options)
    async with database.unit_of_work() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(Exception, match="QueuePool limit"):
            await database.ping()
    await database.ping()
    await database.aclose()


async def test_a_connection_that_was_cut_is_replaced(database: Database) -> None:
    await database.ping()
    async with database.unit_of_work() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await asyncio.sleep(0.05)
    await asyncio.gather(*(database.ping() for _ in range(3)))


async def test_errors_do_not_repeat_values(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.unit_of_work() as session:
            await session.execute(text("SELECT CAST(:secret AS text), 1 / 0"), {"secret": "hunter2"})
    assert "division by zero" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_workers_database_is_the_same(shared_database_url: str) -> None:
    database = SyncDatabase(shared_database_url)
    agent = make_agent()
    with database.unit_of_work() as session:
        session.add(agent)

    def work() -> None:
        with database.unit_of_work() as session:
            session.get_one(Agent, agent.id).name = "Other"
            session.flush()
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        work()
    with database.unit_of_work() as session:
        found = session.get_one(Agent, agent.id)
        assert (found.name, found.version) == ("Agent", 1)
        assert session.execute(text("SHOW timezone")).scalar_one() == "UTC"
    database.close()


@pytest.mark.parametrize("mode", ["disable", "prefer"])
async def test_the_same_url_suits_both_drivers(shared_database_url: str, mode: str) -> None:
    url = f"{shared_database_url}?sslmode={mode}"
    database = Database(url)
    await database.ping()
    await database.aclose()
    sync = SyncDatabase(url)
    with sync.unit_of_work() as session:
        assert session.execute(text("SELECT 1")).scalar_one() == 1
    sync.close()
