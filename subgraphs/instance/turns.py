"""An owner -> a unit of work in which no other request counts and adds the owner's instances."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncSession

from subgraphs.common.context import Store
from subgraphs.instance import repository


class OwnerTurns:
    """Turns of owners: a request that waits holds no connection, so one account's burst takes none from others.

    Other processes are kept out by the database's lock. The request's timeout bounds the wait.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def unit_of_work(self, owner_id: UUID) -> AsyncIterator[AsyncSession]:
        """One transaction, committed when the block ends."""
        lock = self._locks.setdefault(owner_id, asyncio.Lock())
        async with lock, self._store.unit_of_work() as session:
            await repository.lock_owner(session, owner_id)
            yield session
