"""Every query for lines of logs: some lines of many logs in one query, by their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from shared_schema.models import InstanceLog
from shared_schema.states import LogLevel


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Some lines of a log: the first `limit` after a number, or the last before one, of a level and above."""

    limit: int
    after: int = 0
    before: int | None = None
    backwards: bool = False
    level: LogLevel | None = None


async def lines_by_instance(
    session: AsyncSession, ids: Sequence[UUID], request: LogRequest
) -> Mapping[UUID, list[InstanceLog]]:
    """Lines in the direction asked for, and one more where there is more: a walk of the primary key for each log."""
    wanted = func.unnest(literal(list(ids), ARRAY(InstanceLog.instance_id.type)))
    wanted_ids = wanted.table_valued(column("id", InstanceLog.instance_id.type)).render_derived(name="wanted")
    order = InstanceLog.sequence.desc() if request.backwards else InstanceLog.sequence.asc()
    one = (
        select(InstanceLog)
        .where(InstanceLog.instance_id == wanted_ids.c.id, *_bounds(request))
        .order_by(order)
        .limit(request.limit + 1)
        .lateral("lines")
    )
    line = aliased(InstanceLog, one)
    sequence = line.sequence.desc() if request.backwards else line.sequence.asc()
    lines: dict[UUID, list[InstanceLog]] = {each: [] for each in ids}
    statement = select(line).select_from(wanted_ids).join(one, true()).order_by(line.instance_id, sequence)
    for row in await session.scalars(statement):
        lines[row.instance_id].append(row)
    return lines


async def counts_by_instance(session: AsyncSession, ids: Sequence[UUID], level: LogLevel | None) -> Mapping[UUID, int]:
    """How many lines each log has, of the level and above."""
    counted = select(InstanceLog.instance_id, func.count()).where(InstanceLog.instance_id.in_(ids), *_of_level(level))
    return {row[0]: row[1] for row in await session.execute(counted.group_by(InstanceLog.instance_id))}


def _bounds(request: LogRequest) -> list[ColumnElement[bool]]:
    bounds: list[ColumnElement[bool]] = [InstanceLog.sequence > request.after, *_of_level(request.level)]
    if request.before is not None:
        bounds.append(InstanceLog.sequence < request.before)
    return bounds


def _of_level(level: LogLevel | None) -> list[ColumnElement[bool]]:
    # Of the least level and above are all.
    return [] if level in (None, LogLevel.DEBUG) else [InstanceLog.level.in_(level.and_above)]
