"""A select, an order and Relay's arguments -> one page of rows, by keyset, forwards and backwards."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Select, column, func, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased, defer

from subgraphs.common.errors import BadInput

DEFAULT_PAGE = 20
MAXIMUM_PAGE = 100
MAXIMUM_CURSOR = 1024

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Order(Generic[R]):
    """A total order of rows: one column, and the id that parts equal values; both run the same way.

    One direction for both lets Postgres compare rows with `(column, id) < (…)` and walk one index.
    """

    name: str
    column: InstrumentedAttribute[Any]
    id: InstrumentedAttribute[UUID]
    descending: bool

    def cursor(self, row: R) -> str:
        """The opaque cursor of `row` in this order."""
        value = getattr(row, self.column.key)
        if isinstance(value, datetime):
            value = value.astimezone(UTC).isoformat()
        parts = [self.name, value, str(getattr(row, self.id.key))]
        return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()

    def position(self, cursor: str) -> tuple[Any, UUID]:
        """Position that a cursor of this order points at; anything else is refused."""
        try:
            if len(cursor) > MAXIMUM_CURSOR or not cursor.isascii():
                raise ValueError
            padded = cursor + "=" * (-len(cursor) % 4)
            parts = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            name, value, row_id = parts
            if name != self.name or not isinstance(value, str):
                raise ValueError
            if self.column.type.python_type is datetime:
                value = datetime.fromisoformat(value)
                if value.tzinfo is None:
                    raise ValueError
                value = value.astimezone(UTC)
            elif "\x00" in value:
                raise ValueError
            return value, UUID(row_id)
        except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error) as problem:
            raise BadInput("The cursor does not belong to this list in this order.") from problem


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Relay's four arguments, checked."""

    size: int
    backwards: bool
    after: str | None
    before: str | None

    @classmethod
    def of(
        cls, first: int | None, after: str | None, last: int | None = None, before: str | None = None
    ) -> PageRequest:
        """The arguments as a request for one page, or a BadInput that says what is wrong with them."""
        if first is not None and last is not None:
            raise BadInput("Give `first` or `last`, not both.")
        name, size = ("last", last) if last is not None else ("first", first)
        if size is None:
            size = DEFAULT_PAGE
        if not 0 <= size <= MAXIMUM_PAGE:
            raise BadInput(f"`{name}` must be between 0 and {MAXIMUM_PAGE}.")
        return cls(size=size, backwards=last is not None, after=after, before=before)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Rows in the order asked for, and whether there are more at either end."""

    rows: Sequence[R]
    has_next: bool
    has_previous: bool
    cursor: Callable[[R], str]


async def fetch_page(session: AsyncSession, statement: Select[R], order: Order[R], request: PageRequest) -> Page[R]:
    """One page of `statement`, in one query."""
    bounded = statement.where(*_bounds(order, request)).order_by(*_direction(order, request, order.column, order.id))
    rows = (await session.scalars(bounded.limit(request.size + 1))).all()
    return _page(rows, order, request)


async def fetch_pages(
    session: AsyncSession,
    statement: Select[R],
    parent: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None],
    parents: Sequence[UUID],
    order: Order[R],
    request: PageRequest,
    deferred: Sequence[InstrumentedAttribute[Any]] = (),
) -> Mapping[UUID, Page[R]]:
    """The same page for many parents, in one query: a bounded walk of the index for each.

    Numbering the rows within each parent would be simpler, and sort all rows of a parent for its first twenty.
    """
    ids = func.unnest(literal(list(parents), ARRAY(parent.type)))
    wanted = ids.table_valued(column("parent_id", parent.type)).render_derived(name="wanted")
    one = (
        statement.where(parent == wanted.c.parent_id, *_bounds(order, request))
        .order_by(*_direction(order, request, order.column, order.id))
        .limit(request.size + 1)
        .lateral("page")
    )
    row = aliased(order.column.class_, one)
    keys = (getattr(row, order.column.key), getattr(row, order.id.key))
    pages: Select[R] = select(row).select_from(wanted).join(one, true()).order_by(*_direction(order, request, *keys))
    pages = pages.options(*(defer(getattr(row, each.key), raiseload=True) for each in deferred))
    by_parent: dict[UUID, list[R]] = {key: [] for key in parents}
    for found in (await session.scalars(pages)).all():
        by_parent[getattr(found, parent.key)].append(found)
    return {key: _page(rows, order, request) for key, rows in by_parent.items()}


def _direction(order: Order[Any], request: PageRequest, *keys: Any) -> list[ColumnElement[Any]]:
    ascending = order.descending == request.backwards
    return [key.asc() if ascending else key.desc() for key in keys]


def _page(rows: Sequence[R], order: Order[R], request: PageRequest) -> Page[R]:
    more = len(rows) > request.size
    kept = list(rows[: request.size])
    if request.backwards:
        kept.reverse()
        return Page(kept, has_next=request.before is not None, has_previous=more, cursor=order.cursor)
    return Page(kept, has_next=more, has_previous=request.after is not None, cursor=order.cursor)


def _bounds(order: Order[Any], request: PageRequest) -> list[ColumnElement[bool]]:
    bounds: list[ColumnElement[bool]] = []
    keys = tuple_(order.column, order.id)
    for cursor, later in ((request.after, True), (request.before, False)):
        if cursor is not None:
            value, row_id = order.position(cursor)
            position = tuple_(literal(value, order.column.type), literal(row_id, order.id.type))
            bounds.append(keys < position if later == order.descending else keys > position)
    return bounds


async def count_all(session: AsyncSession, statement: Select[Any]) -> int:
    """How many rows the whole list has."""
    counted: int = (await session.execute(select(func.count()).select_from(statement.subquery()))).scalar_one()
    return counted


async def count_by_parent(
    session: AsyncSession,
    statement: Select[Any],
    parent: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None],
    parents: Sequence[UUID],
) -> Mapping[UUID, int]:
    """How many rows of the list each parent has, in one query."""
    rows = statement.where(parent.in_(parents)).with_only_columns(parent).subquery()
    counted = select(rows.c[parent.key], func.count()).group_by(rows.c[parent.key])
    return {row[0]: row[1] for row in await session.execute(counted)}
