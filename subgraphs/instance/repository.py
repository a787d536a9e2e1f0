"""Every query of the instance subgraph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer

from shared_schema.models import Agent, Instance, InstanceArtifact, Schedule, Template
from shared_schema.states import TERMINAL, InstanceStatus
from subgraphs.common.pagination import Order, count_all


class InstanceOrder(Enum):
    """Orders of lists of instances."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    NAME_DESCENDING = "name-descending"


ORDERS: dict[InstanceOrder, Order[Instance]] = {
    InstanceOrder.NEWEST: Order("newest", Instance.created_at, Instance.id, descending=True),
    InstanceOrder.OLDEST: Order("oldest", Instance.created_at, Instance.id, descending=False),
    InstanceOrder.NAME: Order("name", Instance.name, Instance.id, descending=False),
    InstanceOrder.NAME_DESCENDING: Order("name-descending", Instance.name, Instance.id, descending=True),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which instances a list shows; also the key by which equal lists of one request are loaded together."""

    status: InstanceStatus | None = None
    agent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Documents:
    """Parameters and result of an instance."""

    parameters: dict[str, Any]
    result: dict[str, Any] | None


# A page of a hundred instances may hold 500 MB of these, and most who look at a list want none of it.
DOCUMENTS: tuple[InstrumentedAttribute[Any], ...] = (Instance.parameters, Instance.result)


def living() -> Select[Instance]:
    """Instances that were not deleted."""
    return select(Instance).where(Instance.deleted_at.is_(None))


def selected(selection: Selection) -> Select[Instance]:
    """The living instances of a selection, of all owners."""
    statement = living()
    if selection.status is not None:
        statement = statement.where(Instance.status == selection.status)
    if selection.agent_id is not None:
        statement = statement.where(Instance.agent_id == selection.agent_id)
    return statement


async def instances_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Instance]:
    """The living instances with these ids but for their documents, in one query."""
    statement = living().where(Instance.id.in_(ids)).options(*(defer(each, raiseload=True) for each in DOCUMENTS))
    return {row.id: row for row in await session.scalars(statement)}


async def documents_by_id(
    session: AsyncSession, ids: Sequence[UUID], max_bytes: int
) -> tuple[int, Mapping[UUID, Documents]]:
    """How many bytes the documents of instances are, and they themselves unless that is too much, in one query.

    Postgres knows their sizes without reading them.
    """
    size = func.octet_length(Instance.parameters) + func.coalesce(func.octet_length(Instance.result), 0)
    total = func.sum(size).over()
    fits = total <= max_bytes
    shown = (type_coerce(case((fits, each)), each.type) for each in DOCUMENTS)
    rows = (await session.execute(select(Instance.id, total, *shown).where(Instance.id.in_(ids)))).all()
    size_in_bytes = int(rows[0][1]) if rows else 0
    if size_in_bytes > max_bytes:
        return size_in_bytes, {}
    return size_in_bytes, {row[0]: Documents(row[2], row[3]) for row in rows}


async def lock_instance(session: AsyncSession, instance_id: UUID) -> Instance | None:
    """The living instance, locked until the unit of work ends."""
    statement = living().where(Instance.id == instance_id).with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def schedules_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Schedule]:
    """The living schedules with these ids, in one query."""
    statement = select(Schedule).where(Schedule.id.in_(ids), Schedule.deleted_at.is_(None))
    return {row.id: row for row in await session.scalars(statement)}


async def artifacts_by_instance(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, list[InstanceArtifact]]:
    """The files that count, by instance, in one query."""
    statement = select(InstanceArtifact).where(
        InstanceArtifact.instance_id.in_(ids), InstanceArtifact.promoted_at.is_not(None)
    )
    artifacts: dict[UUID, list[InstanceArtifact]] = {each: [] for each in ids}
    for row in await session.scalars(statement.order_by(InstanceArtifact.name)):
        artifacts[row.instance_id].append(row)
    return artifacts


async def file_keys(session: AsyncSession, instance_id: UUID) -> list[str]:
    """Storage keys of an instance's files, those that count and those that don't."""
    statement = select(InstanceArtifact.storage_key).where(InstanceArtifact.instance_id == instance_id)
    return list(await session.scalars(statement))


async def living_instance(session: AsyncSession, instance_id: UUID) -> Instance | None:
    """The living instance."""
    return (await session.scalars(living().where(Instance.id == instance_id))).one_or_none()


async def retry_of(session: AsyncSession, instance_id: UUID) -> Instance | None:
    """The living instance that was made in the place of this one."""
    return (await session.scalars(living().where(Instance.retry_of == instance_id))).one_or_none()


async def lock_owner(session: AsyncSession, owner_id: UUID) -> None:
    """Let one unit of work at a time count and add instances of an owner (no row of theirs is here to lock)."""
    key = int.from_bytes(owner_id.bytes[-8:], signed=True)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def active_count(session: AsyncSession, owner_id: UUID) -> int:
    """How many of the owner's instances wait or run."""
    active = [status for status in InstanceStatus if status not in TERMINAL]
    return await count_all(session, living().where(Instance.owner_id == owner_id, Instance.status.in_(active)))


async def instance_by_idempotency_key(session: AsyncSession, owner_id: UUID, key: str) -> Instance | None:
    """The instance that the owner made with this key, deleted or not."""
    statement = select(Instance).where(Instance.owner_id == owner_id, Instance.idempotency_key == key)
    return (await session.scalars(statement)).one_or_none()


async def agent(session: AsyncSession, agent_id: UUID) -> Agent | None:
    """The agent."""
    return await session.get(Agent, agent_id)


async def agent_by_slug(session: AsyncSession, slug: str) -> Agent | None:
    """The agent of this name in addresses."""
    return (await session.scalars(select(Agent).where(Agent.slug == slug))).one_or_none()


async def hold_agent(session: AsyncSession, agent_id: UUID) -> None:
    """Lock the agent against changes until the unit of work ends; others may hold it too."""
    await session.execute(select(Agent.id).where(Agent.id == agent_id).with_for_update(read=True))


async def template(session: AsyncSession, template_id: UUID) -> Template | None:
    """The template."""
    return await session.get(Template, template_id)


async def template_by_slug(session: AsyncSession, slug: str) -> Template | None:
    """The template of this name in addresses."""
    return (await session.scalars(select(Template).where(Template.slug == slug))).one_or_none()


async def database_now(session: AsyncSession) -> datetime:
    """The time by the database's clock."""
    now: datetime = (await session.execute(select(func.now()))).scalar_one()
    return now
