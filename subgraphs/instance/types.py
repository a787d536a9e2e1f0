"""The GraphQL types of the instance subgraph: runs, and the entities of others that they point at."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from sqlalchemy import inspect

from shared_schema import models, states
from shared_schema.ids import to_global_id
from subgraphs.common.caller import Scope
from subgraphs.common.connection import After, Before, Connection, First, Last
from subgraphs.common.errors import Forbidden
from subgraphs.common.ids import argument_id, reference_id
from subgraphs.common.pagination import PageRequest
from subgraphs.common.scalars import JSON
from subgraphs.common.schema import REFERENCE
from subgraphs.instance.artifacts import Artifact
from subgraphs.instance.context import Info
from subgraphs.instance.logs import InstanceLog, log_connection
from subgraphs.instance.repository import Documents, InstanceOrder, Selection
from subgraphs.instance.service import visible

strawberry.enum(
    states.InstanceStatus,
    name="InstanceStatus",
    description="Where a run stands: PENDING, QUEUED, RUNNING, then one of the four ends.",
)
strawberry.enum(InstanceOrder, name="InstanceOrder", description="How lists of instances run.")

OrderBy = Annotated[InstanceOrder, strawberry.argument(description="How the list runs.")]


@strawberry.input(description="Which instances; everything given has to hold.")
class InstanceFilter:
    status: states.InstanceStatus | None = None
    agent_id: strawberry.ID | None = None

    def selection(self) -> Selection:
        """Selection of the filter."""
        agent_id = argument_id("Agent", self.agent_id, "filter.agentId") if self.agent_id else None
        return Selection(status=self.status, agent_id=agent_id)


@strawberry.federation.type(keys=[REFERENCE])
class Agent:
    id: strawberry.ID


@strawberry.federation.type(keys=[REFERENCE])
class Template:
    id: strawberry.ID


@strawberry.federation.type(keys=[REFERENCE])
class Workspace:
    id: strawberry.ID

    @classmethod
    def of(cls, workspace_id: UUID) -> Workspace:
        """The workspace that an object belongs to."""
        return cls(id=strawberry.ID(to_global_id("Workspace", workspace_id)))


@strawberry.type(description="Why an instance failed.")
class InstanceError:
    code: str = strawberry.field(description="For programs.")
    message: str = strawberry.field(description="For people.")


@strawberry.federation.type(keys=["id"], description="One run of an agent, with its owner's parameters.")
class Instance:
    id: strawberry.ID
    name: str
    status: states.InstanceStatus
    progress: float = strawberry.field(description="From 0 to 1.")
    progress_message: str | None
    version: int = strawberry.field(description="Grows with every change.")
    error: InstanceError | None = strawberry.field(description="Why it failed, if it did.")
    attempt: int = strawberry.field(description="How often a worker has taken it up.")
    # Nullable, though each has both: what another subgraph fails to say must not cost the instance.
    agent: Agent | None
    template: Template | None = strawberry.field(description="The template that it was started from.")
    owner: Account | None = strawberry.field(description="Who made it.")
    workspace: Workspace | None = strawberry.field(description="Whose it is: the workspace's members share it.")
    created_at: datetime
    updated_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    max_attempts: int | None = strawberry.field(description="Its template's limit of attempts; else the platform's.")
    timeout_seconds: int | None = strawberry.field(description="Its template's limit of time; else the platform's.")
    deleted_at: datetime | None = strawberry.field(
        description="When it was deleted; `instancesUpdated` and `instanceChanges` alone still show it then."
    )
    scheduled_for: datetime | None = strawberry.field(description="The firing of a schedule that made it.")
    is_terminal: bool = strawberry.field(description="Whether it has ended, one way or another.")
    row: strawberry.Private[models.Instance]

    @classmethod
    def of(cls, row: models.Instance) -> Instance:
        """The instance as clients see it."""
        error = None
        if row.error_code is not None:
            error = InstanceError(code=row.error_code, message=row.error_message or row.error_code)
        template = None
        if row.template_id is not None:
            template = Template(id=strawberry.ID(to_global_id("Template", row.template_id)))
        return cls(
            id=strawberry.ID(to_global_id("Instance", row.id)),
            name=row.name,
            status=row.status,
            progress=row.progress,
            progress_message=row.progress_message,
            version=row.version,
            row=row,
            error=error,
            attempt=row.attempt,
            agent=Agent(id=strawberry.ID(to_global_id("Agent", row.agent_id))),
            template=template,
            owner=Account.of(row.owner_id),
            workspace=Workspace.of(row.workspace_id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            queued_at=row.queued_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            cancel_requested_at=row.cancel_requested_at,
            max_attempts=row.max_attempts,
            timeout_seconds=row.timeout_seconds,
            deleted_at=row.deleted_at,
            scheduled_for=row.scheduled_for,
            is_terminal=row.status.is_terminal,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Instance | None:
        """The instance, if the caller may see it; all of a request's come in one query."""
        instance_id = reference_id("Instance", id)
        row = await info.context.loaders.instances.load(instance_id) if instance_id else None
        row = visible(info.context.caller, row)
        return cls.of(row) if row else None

    @strawberry.field(description="The instance whose inputs it has, if it was made by `rerunInstance`.")
    async def rerun_of(self, info: Info) -> Instance | None:
        return await self._other(info, self.row.rerun_of)

    @strawberry.field(description="The instance in whose place it is, if it was made by `retryInstance`.")
    async def retry_of(self, info: Info) -> Instance | None:
        return await self._other(info, self.row.retry_of)

    async def _other(self, info: Info, instance_id: UUID | None) -> Instance | None:
        row = await info.context.loaders.instances.load(instance_id) if instance_id else None
        row = visible(info.context.caller, row)
        return Instance.of(row) if row else None

    @strawberry.field(description="What it was given: the template's parameters, and its owner's over them.")
    async def parameters(self, info: Info) -> JSON:
        return JSON((await self._documents(info)).parameters)

    @strawberry.field(description="What the agent found, once it has succeeded.")
    async def result(self, info: Info) -> JSON | None:
        if not self.is_terminal:
            return None
        document = (await self._documents(info)).result
        return JSON(document) if document is not None else None

    @strawberry.field(description="The files that it made, once it has succeeded.")
    async def artifacts(self, info: Info) -> list[Artifact] | None:
        return [Artifact.of(row) for row in await info.context.loaders.artifacts.load(self.row.id) or []]

    @strawberry.field(description="What the run said, line by line; of `level` and above.")
    async def logs(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        level: states.LogLevel | None = None,
    ) -> Connection[InstanceLog] | None:
        return await log_connection(info, self.row.id, PageRequest.of(first, after, last, before), level)

    async def _documents(self, info: Info) -> Documents:
        # A mutation has the whole row; lists and entities load documents only where they are selected.
        if not {"parameters", "result"} & inspect(self.row).unloaded:
            return Documents(self.row.parameters, self.row.result)
        documents = await info.context.loaders.documents.load(self.row.id)
        if documents is None:
            raise LookupError(f"instance {self.row.id} is gone")
        return documents


@strawberry.federation.type(keys=["id"])
class Account:
    id: strawberry.ID
    account_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, account_id: UUID) -> Account:
        """The account as the owner of instances."""
        return cls(id=strawberry.ID(to_global_id("Account", account_id)), account_id=account_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Account | None:
        """The account that identity speaks of."""
        account_id = reference_id("Account", id)
        return cls.of(account_id) if account_id else None

    @strawberry.field(
        description="The instances of the account's personal workspace; for the account itself and admins."
    )
    async def instances(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: InstanceFilter | None = None,
        order_by: OrderBy = InstanceOrder.NEWEST,
    ) -> Connection[Instance] | None:
        if not info.context.caller.may_read(self.account_id, Scope.INSTANCES_READ):
            raise Forbidden("Only the account itself and admins may see this.")
        request = PageRequest.of(first, after, last, before)
        loader = info.context.loaders.of_workspaces((filter or InstanceFilter()).selection(), order_by)
        return await loader.connection(self.account_id, request, Instance.of)
