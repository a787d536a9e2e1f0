"""The root fields of the catalog that read."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from typing import Annotated

import strawberry

from shared_schema import states
from subgraphs.catalog import repository
from subgraphs.catalog.context import Info
from subgraphs.catalog.repository import AGENT_ORDERS, TEMPLATE_ORDERS, CatalogOrder, Selection
from subgraphs.catalog.service import PUBLISHED, listed, visible
from subgraphs.catalog.types import Agent, Template
from subgraphs.common.connection import After, Before, Connection, First, Last, list_connection
from subgraphs.common.errors import BadInput
from subgraphs.common.ids import argument_id
from subgraphs.common.pagination import PageRequest
from subgraphs.common.schema import ServiceQuery

MAXIMUM_SEARCH = 200

Search = Annotated[
    str | None, strawberry.argument(description="All these words, or beginnings of words, occur in the texts.")
]
OrderBy = Annotated[CatalogOrder, strawberry.argument(description="How the list runs.")]


@strawberry.input(description="Which agents; everything given has to hold.")
class AgentFilter:
    status: states.PublicationStatus | None = strawberry.field(
        default=None, description="For admins; others see what is published."
    )
    tag: str | None = None
    publisher_id: strawberry.ID | None = None


@strawberry.input(description="Which templates; everything given has to hold.")
class TemplateFilter:
    status: states.PublicationStatus | None = strawberry.field(
        default=None, description="For admins; others see what is published."
    )
    tag: str | None = None
    publisher_id: strawberry.ID | None = None
    agent_id: strawberry.ID | None = None


@strawberry.type
class Query(ServiceQuery):
    """Queries of the catalog."""

    @strawberry.field(description="The agents that can be run.")
    async def agents(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: AgentFilter | None = None,
        search: Search = None,
        order_by: OrderBy = CatalogOrder.NEWEST,
    ) -> Connection[Agent] | None:
        request = PageRequest.of(first, after, last, before)
        statement = repository.agents(_selection(info, filter or AgentFilter(), search))
        store = info.context.store
        return await list_connection(store, statement, AGENT_ORDERS[order_by], request, Agent.of)

    @strawberry.field(description="One agent; null if there is none that you may see.")
    async def agent(self, info: Info, slug: str) -> Agent | None:
        row = await info.context.loaders.agents_by_slug.load(slug)
        row = visible(info.context.caller, row, PUBLISHED)
        return Agent.of(row) if row else None

    @strawberry.field(description="Parameters to start agents from.")
    async def templates(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: TemplateFilter | None = None,
        search: Search = None,
        order_by: OrderBy = CatalogOrder.NEWEST,
    ) -> Connection[Template] | None:
        request = PageRequest.of(first, after, last, before)
        statement = repository.templates(_selection(info, filter or TemplateFilter(), search))
        store = info.context.store
        return await list_connection(store, statement, TEMPLATE_ORDERS[order_by], request, Template.of)

    @strawberry.field(description="One template; null if there is none that you may see.")
    async def template(self, info: Info, slug: str) -> Template | None:
        row = await info.context.loaders.templates_by_slug.load(slug)
        row = visible(info.context.caller, row, PUBLISHED)
        return Template.of(row) if row else None


def _selection(info: Info, filter_: AgentFilter | TemplateFilter, search: str | None) -> Selection:
    if search is not None and len(search) > MAXIMUM_SEARCH:
        raise BadInput(f"`search` may have at most {MAXIMUM_SEARCH} characters.")
    agent_id = filter_.agent_id if isinstance(filter_, TemplateFilter) else None
    publisher_id = filter_.publisher_id
    return Selection(
        statuses=listed(info.context.caller, filter_.status),
        tag=filter_.tag,
        publisher_id=argument_id("Account", publisher_id, "filter.publisherId") if publisher_id else None,
        agent_id=argument_id("Agent", agent_id, "filter.agentId") if agent_id else None,
        search=search if search and search.strip() else None,
    )
