"""A page of rows -> Relay's connection, with the count of all only where it is asked for."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Generic, TypeVar

import strawberry
from sqlalchemy import Select

from subgraphs.common.context import Store
from subgraphs.common.pagination import Order, Page, PageRequest, count_all, fetch_page

N = TypeVar("N")
R = TypeVar("R")

First = Annotated[int | None, strawberry.argument(description="How many from the start: 0 to 100, else 20.")]
After = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="How many from the end, in place of `first`.")]
Before = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor.")]


@strawberry.federation.type(shareable=True, description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there is more after `endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether there is more before `startCursor`.")
    start_cursor: str | None = strawberry.field(description="Cursor of the page's first node.")
    end_cursor: str | None = strawberry.field(description="Cursor of the page's last node.")


@strawberry.type(description="A node and its place in the list.")
class Edge(Generic[N]):
    cursor: str = strawberry.field(description="Pass it as `after` or `before`.")
    node: N


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    edges: list[Edge[N]] = strawberry.field(description="The page's nodes with their cursors.")
    nodes: list[N] = strawberry.field(description="The page's nodes.")
    page_info: PageInfo
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="How many nodes the whole list has.")
    async def total_count(self) -> int:
        return await self.count()


def connection_of(page: Page[R], node: Callable[[R], N], count: Callable[[], Awaitable[int]]) -> Connection[N]:
    """The connection that shows `page`, each row made a node; `count` runs only if it is selected."""
    edges = [Edge(cursor=page.cursor(row), node=node(row)) for row in page.rows]
    return Connection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        count=count,
    )


async def list_connection(
    store: Store, statement: Select[R], order: Order[R], request: PageRequest, node: Callable[[R], N]
) -> Connection[N]:
    """The connection of a whole list: one query, and one more if the count is selected."""
    async with store.read() as session:
        page = await fetch_page(session, statement, order, request)

    async def count() -> int:
        async with store.read() as session:
            return await count_all(session, statement)

    return connection_of(page, node, count)
