"""Context of resolvers (`info.context`): the caller, how to read and write, what to add to the response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from shared_schema import origin
from shared_schema.database import Database
from subgraphs.common.caller import Caller, RequestFacts
from subgraphs.common.work import Work


class Store:
    """A database as a subgraph uses it: short reads that share nothing, and units of work that commit."""

    def __init__(self, database: Database, *, secured: bool = False) -> None:
        """`secured`: the database has row-level security, so reads name the workspaces that they act for."""
        self.database = database
        self._secured = secured
        # Each read is one statement of its own, so BEGIN and COMMIT around it would be two trips for nothing.
        autocommit = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reading = async_sessionmaker(autocommit, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for one read; resolvers run side by side, and a session serves one at a time."""
        async with self._reading() as session:
            if self._secured:
                await _name_workspaces(session)
            yield session

    def unit_of_work(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction, committed when the block ends."""
        return self.database.unit_of_work()


async def _name_workspaces(session: AsyncSession) -> None:
    """Set what row-level security lets through, where this connection had something else set."""
    who = origin.current()
    workspaces = who.workspaces if who is not None else ""
    connection = await session.connection()
    known = connection.sync_connection.info if connection.sync_connection is not None else {}
    if known.get(origin.WORKSPACES_SETTING) != workspaces:
        known.pop(origin.WORKSPACES_SETTING, None)
        await session.execute(_SET_WORKSPACES, {"workspaces": workspaces})
        known[origin.WORKSPACES_SETTING] = workspaces


_SET_WORKSPACES = text(f"SELECT set_config('{origin.WORKSPACES_SETTING}', :workspaces, false)")


@dataclass(frozen=True, slots=True)
class Denial:
    """An access that was refused: the root field, the error's code, and the object where it is known."""

    field: str
    code: str
    object_type: str | None = None
    object_id: UUID | None = None


@dataclass(slots=True)
class RequestContext:
    """Base of every subgraph's context; lives for one request."""

    caller: Caller
    store: Store
    facts: RequestFacts
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    #: What this request has made the subgraph do; None where nothing bounds it (a test of a schema alone).
    work: Work | None = None
    #: What was refused to the caller, for the audit log.
    denials: list[Denial] = field(default_factory=list)

    def renew_loaders(self) -> None:
        """Forget what was loaded: a mutation may have changed it, and the next one reads again."""
