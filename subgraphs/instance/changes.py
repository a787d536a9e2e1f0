"""A cursor -> a workspace's instances that changed since, deleted ones too, in the order of the changes' visibility.

A cursor is a place among transactions: `changed_in` of an instance's newest version, and its id. What transactions that
still run have changed comes after all that is shown (`pg_snapshot_xmin`), so that nothing slips in before a cursor that
was given out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Select, String, cast, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from shared_schema.models import Instance
from shared_schema.models.outbox import Xid8
from shared_schema.states import TERMINAL, InstanceStatus
from subgraphs.common.errors import BadInput
from subgraphs.common.pagination import count_all
from subgraphs.instance.repository import DOCUMENTS

_LAST_ID: Final = UUID(int=(1 << 128) - 1)
_MAX_CURSOR: Final = 256
#: What transactions before this one changed is visible, and nothing more of them will be.
_OLDEST_RUNNING: Final[ColumnElement[Any]] = func.pg_snapshot_xmin(func.pg_current_snapshot())
_ACTIVE: Final = [status for status in InstanceStatus if status not in TERMINAL]


@dataclass(frozen=True, slots=True)
class Place:
    """Position after a transaction's change of an instance.

    With a `horizon` those instances that hadn't ended when it was taken are still being listed.
    """

    transaction: int
    id: UUID
    horizon: int | None = None

    def cursor(self) -> str:
        """The opaque cursor."""
        parts = [str(self.transaction), str(self.id), None if self.horizon is None else str(self.horizon)]
        return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()

    @classmethod
    def of(cls, cursor: str) -> Place:
        """Place that a cursor points at; anything else is refused."""
        try:
            if len(cursor) > _MAX_CURSOR or not cursor.isascii():
                raise ValueError
            padded = cursor + "=" * (-len(cursor) % 4)
            transaction, row_id, horizon = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            return cls(_number(transaction), UUID(row_id), None if horizon is None else _number(horizon))
        except (ValueError, TypeError, AttributeError, binascii.Error) as problem:
            raise BadInput("The cursor does not belong to this list.") from problem


@dataclass(frozen=True, slots=True)
class Changes:
    """A page: instances with the place of each, where to go on, and whether there is more already."""

    rows: Sequence[tuple[Instance, Place]]
    end: Place
    has_next: bool


async def changes(session: AsyncSession, workspace_id: UUID, after: Place | None, size: int) -> Changes:
    """One page. Without `after` it begins with instances that have not ended, and goes on with later changes."""
    after = after or await _start(session)
    statement = (
        _listed(workspace_id, after)
        .add_columns(cast(Instance.changed_in, String))
        .order_by(Instance.changed_in, Instance.id)
        .limit(size + 1)
        .options(*(defer(each, raiseload=True) for each in DOCUMENTS))
    )
    rows = [
        (row, Place(int(transaction), row.id, after.horizon)) for row, transaction in await session.execute(statement)
    ]
    has_next = len(rows) > size
    rows = rows[:size]
    if after.horizon is not None and not has_next:
        # All that hadn't ended were shown; from here on everything counts that was not visible when this began.
        return Changes(rows, Place(after.horizon - 1, _LAST_ID), has_next=False)
    return Changes(rows, rows[-1][1] if rows else after, has_next)


async def count_changes(session: AsyncSession, workspace_id: UUID, after: Place | None) -> int:
    """How many instances come after a place."""
    return await count_all(session, _listed(workspace_id, after or await _start(session)))


async def _start(session: AsyncSession) -> Place:
    now = (await session.execute(select(cast(_OLDEST_RUNNING, String)))).scalar_one()
    return Place(0, UUID(int=0), horizon=int(now))


def _listed(workspace_id: UUID, after: Place) -> Select[Any]:
    place = tuple_(_transaction(after.transaction), literal(after.id, Instance.id.type))
    statement = select(Instance).where(
        Instance.workspace_id == workspace_id, tuple_(Instance.changed_in, Instance.id) > place
    )
    if after.horizon is None:
        return statement.where(Instance.changed_in < _OLDEST_RUNNING)
    active = Instance.deleted_at.is_(None) & Instance.status.in_(_ACTIVE)
    return statement.where(Instance.changed_in < _transaction(after.horizon), active)


def _transaction(number: int) -> ColumnElement[Any]:
    return cast(literal(str(number)), Xid8)


def _number(text: str) -> int:
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 20 and int(text) < 1 << 64):
        raise ValueError
    return int(text)
