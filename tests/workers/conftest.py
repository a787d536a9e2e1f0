"""A shared database for the tests of runs, and what looks at it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from event_broker.memory import MemoryBus
from shared_schema.database import Database, SyncDatabase
from tests.workers.support import FAST, Rows
from workers.runs import RunStore
from workers.settings import WorkerSettings


@pytest.fixture
def rows(shared_database_url: str) -> Rows:
    """The database from outside, without the runs of the test before."""
    found = Rows(shared_database_url)
    found.execute("DELETE FROM instances")
    return found


@pytest.fixture
def settings(shared_database_url: str, monkeypatch: pytest.MonkeyPatch) -> WorkerSettings:
    """Short leases, on this module's database."""
    for name in ("BOTBERI_AMQP_URL", "BOTBERI_CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in FAST.items():
        monkeypatch.setenv(name, value)
    return WorkerSettings(shared_database_url=shared_database_url)


@pytest.fixture
def store(shared_database_url: str, settings: WorkerSettings) -> Iterator[RunStore]:
    """A worker's hand on the rows; its lease is a second."""
    database = SyncDatabase(shared_database_url)
    yield RunStore(database, lease_seconds=1.0, max_attempts=3)
    database.close()


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    """A bus of this test's own."""
    made = MemoryBus()
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    """The services' hand on the rows."""
    made = Database(shared_database_url)
    yield made
    await made.aclose()
