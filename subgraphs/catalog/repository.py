"""Every query of the catalog subgraph."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.models import Agent, AgentDay, Template
from shared_schema.states import PublicationStatus
from subgraphs.common.pagination import Order

E = TypeVar("E", Agent, Template)

MAXIMUM_WORDS = 16
#: Days that an agent's popularity and success rate look back.
RECORD_DAYS = 30
#: Runs that must have ended before a success rate says anything.
MIN_ENDED = 5


class CatalogOrder(Enum):
    """Orders of the catalog's lists."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    NAME_DESCENDING = "name-descending"


AGENT_ORDERS: dict[CatalogOrder, Order[Agent]] = {
    CatalogOrder.NEWEST: Order("newest", Agent.created_at, Agent.id, descending=True),
    CatalogOrder.OLDEST: Order("oldest", Agent.created_at, Agent.id, descending=False),
    CatalogOrder.NAME: Order("name", Agent.name, Agent.id, descending=False),
    CatalogOrder.NAME_DESCENDING: Order("name-descending", Agent.name, Agent.id, descending=True),
}
TEMPLATE_ORDERS: dict[CatalogOrder, Order[Template]] = {
    CatalogOrder.NEWEST: Order("newest", Template.created_at, Template.id, descending=True),
    CatalogOrder.OLDEST: Order("oldest", Template.created_at, Template.id, descending=False),
    CatalogOrder.NAME: Order("name", Template.name, Template.id, descending=False),
    CatalogOrder.NAME_DESCENDING: Order("name-descending", Template.name, Template.id, descending=True),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries of the catalog a list shows."""

    statuses: frozenset[PublicationStatus]
    tag: str | None = None
    publisher_id: UUID | None = None
    agent_id: UUID | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Runs of an agent in the last `RECORD_DAYS` days: all, and those that ended well or not (not those cancelled)."""

    runs: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def success_rate(self) -> float | None:
        """Share of runs that succeeded; None while too few have ended to say."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended >= MIN_ENDED else None


def agents(selection: Selection) -> Select[Agent]:
    """The agents of a selection."""
    return _selected(select(Agent), Agent, selection)


def templates(selection: Selection) -> Select[Template]:
    """The templates of a selection."""
    statement = _selected(select(Template), Template, selection)
    if selection.agent_id is not None:
        statement = statement.where(Template.agent_id == selection.agent_id)
    return statement


def _selected(statement: Select[E], entry: type[E], selection: Selection) -> Select[E]:
    selected = statement.where(entry.status.in_(sorted(selection.statuses)))
    if selection.tag is not None:
        # Containment, not ANY: it is what the index on tags answers.
        selected = selected.where(entry.tags.contains([selection.tag]))
    if selection.publisher_id is not None:
        selected = selected.where(entry.publisher_id == selection.publisher_id)
    if selection.search is not None:
        selected = selected.where(entry.search.op("@@")(func.to_tsquery("english", prefix_query(selection.search))))
    return selected


def prefix_query(text: str) -> str:
    """A person's words as a text search: all of them, each as the beginning of a word.

    Only letters and digits reach the query, so nothing in it is an operator.
    """
    words = re.findall(r"\w+", text.replace("_", " "))[:MAXIMUM_WORDS]
    return " & ".join(f"'{word}':*" for word in words)


async def agents_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Agent]:
    """The agents with these ids, in one query."""
    return {row.id: row for row in await session.scalars(select(Agent).where(Agent.id.in_(ids)))}


async def templates_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Template]:
    """The templates with these ids, in one query."""
    return {row.id: row for row in await session.scalars(select(Template).where(Template.id.in_(ids)))}


async def agents_by_slug(session: AsyncSession, slugs: Sequence[str]) -> Mapping[str, Agent]:
    """The agents with these slugs, in one query."""
    return {row.slug: row for row in await session.scalars(select(Agent).where(Agent.slug.in_(slugs)))}


async def records_by_agent(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Record]:
    """How often these agents were run in the last `RECORD_DAYS` days, and how it ended, in one query."""
    statement = (
        select(AgentDay.agent_id, func.sum(AgentDay.runs), func.sum(AgentDay.succeeded), func.sum(AgentDay.failed))
        .where(AgentDay.agent_id.in_(ids), AgentDay.day > func.current_date() - RECORD_DAYS)
        .group_by(AgentDay.agent_id)
    )
    return {row[0]: Record(*row[1:]) for row in await session.execute(statement)}


async def templates_by_slug(session: AsyncSession, slugs: Sequence[str]) -> Mapping[str, Template]:
    """The templates with these slugs, in one query."""
    return {row.slug: row for row in await session.scalars(select(Template).where(Template.slug.in_(slugs)))}


async def lock_agent(session: AsyncSession, agent_id: UUID) -> Agent | None:
    """The agent, locked until the unit of work ends."""
    return await session.get(Agent, agent_id, with_for_update=True)


async def hold_agent(session: AsyncSession, agent_id: UUID) -> Agent:
    """Lock the agent against changes until the unit of work ends; others may hold it too. Agents are never deleted."""
    return (await session.scalars(select(Agent).where(Agent.id == agent_id).with_for_update(read=True))).one()


async def lock_template(session: AsyncSession, template_id: UUID) -> Template | None:
    """The template, locked until the unit of work ends."""
    return await session.get(Template, template_id, with_for_update=True)


async def published_templates_of(session: AsyncSession, agent_id: UUID) -> Sequence[Template]:
    """The published templates of one agent, that a change of its schema may break."""
    statement = select(Template).where(Template.agent_id == agent_id, Template.status == PublicationStatus.PUBLISHED)
    return (await session.scalars(statement.order_by(Template.slug))).all()


async def database_now(session: AsyncSession) -> Any:
    """The time by the database's clock."""
    return (await session.execute(select(func.now()))).scalar_one()
