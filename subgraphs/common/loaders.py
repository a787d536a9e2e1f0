"""Loaders that turn many lookups of one request into one query: rows by key, pages and counts by parent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from strawberry.dataloader import DataLoader

from subgraphs.common.connection import Connection, connection_of
from subgraphs.common.context import Store
from subgraphs.common.pagination import Order, Page, PageRequest, count_by_parent, fetch_pages
from subgraphs.common.work import turns

K = TypeVar("K")
R = TypeVar("R")
N = TypeVar("N")

# Keys of one query; Postgres takes 32,767 parameters, and plans long lists slowly.
MAXIMUM_BATCH = 1000


def row_loader(
    store: Store, fetch: Callable[[AsyncSession, Sequence[K]], Awaitable[Mapping[K, R]]]
) -> DataLoader[K, R | None]:
    """Make a loader of rows by key, with None for a key that has no row."""

    async def load(keys: list[K]) -> Sequence[R | None]:
        async with store.read() as session:
            by_key = await fetch(session, keys)
        return [by_key.get(key) for key in keys]

    return DataLoader(load_fn=load, max_batch_size=MAXIMUM_BATCH)


def grouped_loader(
    store: Store, fetch: Callable[[AsyncSession, Sequence[UUID], K], Awaitable[Mapping[UUID, R]]]
) -> DataLoader[tuple[UUID, K], R | None]:
    """Make a loader of rows' dependents, by row and question: one query for all rows with the same question."""

    async def load(keys: list[tuple[UUID, K]]) -> Sequence[R | None]:
        asked: dict[K, list[UUID]] = {}
        for row_id, question in keys:
            asked.setdefault(question, []).append(row_id)
        answers: dict[tuple[UUID, K], R] = {}
        async with store.read() as session:
            for question, ids in asked.items():
                by_id = await fetch(session, ids, question)
                answers.update({(row_id, question): answer for row_id, answer in by_id.items()})
        return [answers.get(key) for key in keys]

    return DataLoader(load_fn=load, max_batch_size=MAXIMUM_BATCH)


class ChildLoader:
    """Pages of children for many parents: equal pages in one query, counts in one query."""

    def __init__(
        self,
        store: Store,
        statement: Select[Any],
        parent: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None],
        order: Order[Any],
        deferred: Sequence[InstrumentedAttribute[Any]] = (),
    ) -> None:
        self._store = store
        self._statement = statement
        self._parent = parent
        self._order = order
        self._deferred = deferred
        self._pages: DataLoader[tuple[UUID, PageRequest], Page[Any]] = DataLoader(
            load_fn=self._load_pages, max_batch_size=MAXIMUM_BATCH
        )
        self._connections: dict[tuple[UUID, PageRequest, Callable[[Any], Any]], Connection[Any]] = {}
        self._counts: DataLoader[UUID, int] = DataLoader(load_fn=self._load_counts, max_batch_size=MAXIMUM_BATCH)

    async def connection(self, parent: UUID, request: PageRequest, node: Callable[[Any], N]) -> Connection[N]:
        """The connection of one parent's children, one object for all that ask for the same."""
        page = await self._pages.load((parent, request))
        # Thousands of pages may come at once, each of up to a hundred nodes.
        await turns().wait_if_over()
        key = (parent, request, node)
        connection: Connection[N] | None = self._connections.get(key)
        if connection is None:
            connection = self._connections[key] = connection_of(page, node, lambda: self._count(parent))
        return connection

    async def _count(self, parent: UUID) -> int:
        return await self._counts.load(parent)

    async def _load_pages(self, keys: list[tuple[UUID, PageRequest]]) -> Sequence[Page[Any]]:
        parents: dict[PageRequest, list[UUID]] = {}
        for parent, request in keys:
            parents.setdefault(request, []).append(parent)
        pages: dict[tuple[UUID, PageRequest], Page[Any]] = {}
        async with self._store.read() as session:
            for request, of in parents.items():
                fetched = await fetch_pages(
                    session, self._statement, self._parent, of, self._order, request, self._deferred
                )
                pages.update({(parent, request): page for parent, page in fetched.items()})
        return [pages[key] for key in keys]

    async def _load_counts(self, parents: list[UUID]) -> Sequence[int]:
        async with self._store.read() as session:
            counts = await count_by_parent(session, self._statement, self._parent, parents)
        return [counts.get(parent, 0) for parent in parents]
