"""The GraphQL types of the catalog: agents, templates, and who published them."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from shared_schema import models, states
from shared_schema.ids import to_global_id
from subgraphs.catalog.context import Info
from subgraphs.catalog.repository import CatalogOrder
from subgraphs.catalog.service import ONCE_PUBLISHED, visible
from subgraphs.common.connection import After, Before, Connection, First, Last
from subgraphs.common.ids import reference_id
from subgraphs.common.pagination import PageRequest
from subgraphs.common.scalars import JSON
from subgraphs.common.schema import REFERENCE

strawberry.enum(states.PublicationStatus, name="PublicationStatus", description="Where an entry of the catalog stands.")
strawberry.enum(CatalogOrder, name="CatalogOrder", description="How lists of the catalog run.")


@strawberry.federation.type(keys=[REFERENCE])
class Account:
    id: strawberry.ID

    @classmethod
    def named(cls, account_id: UUID) -> Account:
        """The account as identity knows it."""
        return cls(id=strawberry.ID(to_global_id("Account", account_id)))


@strawberry.federation.type(keys=["id"], description="An ML workflow that people can run.")
class Agent:
    id: strawberry.ID
    slug: str = strawberry.field(description="Its name in addresses.")
    name: str
    summary: str = strawberry.field(description="What it does, in a sentence.")
    description: str
    workflow: str = strawberry.field(description="The code that a worker runs.")
    workflow_version: str
    version: int = strawberry.field(description="Grows with every change; pass it as `expectedVersion`.")
    status: states.PublicationStatus
    tags: list[str]
    parameters_schema: JSON = strawberry.field(description="The JSON Schema (2020-12) of its parameters.")
    publisher: Account | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    retired_at: datetime | None
    row_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: models.Agent) -> Agent:
        """The agent as clients see it."""
        return cls(
            id=strawberry.ID(to_global_id("Agent", row.id)),
            slug=row.slug,
            name=row.name,
            summary=row.summary,
            description=row.description,
            workflow=row.workflow,
            workflow_version=row.workflow_version,
            version=row.version,
            status=row.status,
            tags=row.tags,
            parameters_schema=JSON(row.parameters_schema),
            publisher=Account.named(row.publisher_id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            published_at=row.published_at,
            retired_at=row.retired_at,
            row_id=row.id,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Agent | None:
        """The agent that another subgraph speaks of; all of a request's come in one query."""
        agent_id = reference_id("Agent", id)
        row = await info.context.loaders.agents.load(agent_id) if agent_id else None
        row = visible(info.context.caller, row, ONCE_PUBLISHED)
        return cls.of(row) if row else None

    @strawberry.field(description="How often it was run in the last 30 days. Counted every few minutes.")
    async def popularity(self, info: Info) -> int:
        record = await info.context.loaders.records.load(self.row_id)
        return record.runs if record else 0

    @strawberry.field(
        description="Of its runs of the last 30 days that ended, the share that succeeded (0 to 1); cancelled ones "
        "don't count. Null while fewer than five have ended."
    )
    async def success_rate(self, info: Info) -> float | None:
        record = await info.context.loaders.records.load(self.row_id)
        return record.success_rate if record else None

    @strawberry.field(description="Parameters to start from, newest first.")
    async def templates(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Template] | None:
        request = PageRequest.of(first, after, last, before)
        return await info.context.loaders.agent_templates.connection(self.row_id, request, Template.of)


@strawberry.federation.type(keys=["id"], description="An agent with parameters filled in, to start from.")
class Template:
    id: strawberry.ID
    slug: str = strawberry.field(description="Its name in addresses.")
    name: str
    summary: str = strawberry.field(description="What it shows, in a sentence.")
    description: str
    parameters: JSON = strawberry.field(
        description="Parameters that are filled in; a client that starts from the template may override them."
    )
    version: int = strawberry.field(description="Grows with every change; pass it as `expectedVersion`.")
    status: states.PublicationStatus
    tags: list[str]
    max_attempts: int | None = strawberry.field(description="How often its runs are tried; else as the platform does.")
    timeout_seconds: int | None = strawberry.field(description="How long its runs may take; else as the platform says.")
    publisher: Account | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    retired_at: datetime | None
    agent_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: models.Template) -> Template:
        """The template as clients see it."""
        return cls(
            id=strawberry.ID(to_global_id("Template", row.id)),
            slug=row.slug,
            name=row.name,
            summary=row.summary,
            description=row.description,
            parameters=JSON(row.parameters),
            version=row.version,
            status=row.status,
            tags=row.tags,
            max_attempts=row.max_attempts,
            timeout_seconds=row.timeout_seconds,
            publisher=Account.named(row.publisher_id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            published_at=row.published_at,
            retired_at=row.retired_at,
            agent_id=row.agent_id,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Template | None:
        """The template that another subgraph speaks of; all of a request's come in one query."""
        template_id = reference_id("Template", id)
        row = await info.context.loaders.templates.load(template_id) if template_id else None
        row = visible(info.context.caller, row, ONCE_PUBLISHED)
        return cls.of(row) if row else None

    @strawberry.field(description="The agent that it starts.")
    async def agent(self, info: Info) -> Agent:
        row = await info.context.loaders.agents.load(self.agent_id)
        if row is None:
            raise LookupError(f"the agent {self.agent_id} of template {self.slug} is gone")
        return Agent.of(row)
