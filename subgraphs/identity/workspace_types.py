"""Workspaces as clients see them, and what their mutations take and answer."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from shared_schema import models, states
from shared_schema.ids import to_global_id
from subgraphs.common.caller import Scope
from subgraphs.common.ids import reference_id
from subgraphs.common.results import TypedError
from subgraphs.identity.context import Info
from subgraphs.identity.types import Account, ApiKey

strawberry.enum(
    states.WorkspaceRole,
    name="WorkspaceRole",
    description="What a member may do: an owner manages members, a member makes and ends runs, a viewer reads.",
)


@strawberry.type(description="An account in a workspace.")
class WorkspaceMember:
    role: states.WorkspaceRole
    joined_at: datetime
    account_id: strawberry.Private[UUID]

    @strawberry.field
    async def account(self, info: Info) -> Account | None:
        row = await info.context.loaders.accounts.load(self.account_id)
        return Account.of(row) if row else None


@strawberry.type(description="A program that acts for a workspace; its keys stay when people leave.")
class ServiceAccount:
    id: strawberry.ID
    name: str
    role: states.WorkspaceRole
    created_at: datetime
    row: strawberry.Private[models.ServiceAccount]

    @classmethod
    def of(cls, row: models.ServiceAccount) -> ServiceAccount:
        """The service account as clients see it."""
        global_id = strawberry.ID(to_global_id("ServiceAccount", row.id))
        return cls(id=global_id, name=row.name, role=row.role, created_at=row.created_at, row=row)

    @strawberry.field(description="Its keys that were not revoked, newest first.")
    async def api_keys(self, info: Info) -> list[ApiKey] | None:
        return [ApiKey.of(row) for row in await info.context.loaders.service_keys.load(self.row.id) or []]


@strawberry.federation.type(
    keys=["id"], description="The owner of agents, instances, schedules, keys and files; its members share them."
)
class Workspace:
    id: strawberry.ID
    name: str
    is_personal: bool = strawberry.field(description="Whether it is the one of a single account, made with it.")
    created_at: datetime
    row: strawberry.Private[models.Workspace]

    @classmethod
    def of(cls, row: models.Workspace) -> Workspace:
        """The workspace as clients see it."""
        return cls(
            id=strawberry.ID(to_global_id("Workspace", row.id)),
            name=row.name,
            is_personal=row.personal_of is not None,
            created_at=row.created_at,
            row=row,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Workspace | None:
        """The workspace that another subgraph speaks of, if the caller sees it."""
        workspace_id = reference_id("Workspace", id)
        return await visible_workspace(info, workspace_id) if workspace_id else None

    @strawberry.field(description="Your own role in it; null for an admin who is no member.")
    def my_role(self, info: Info) -> states.WorkspaceRole | None:
        return info.context.caller.workspaces.get(self.row.id)

    @strawberry.field(description="The oldest first.")
    async def members(self, info: Info) -> list[WorkspaceMember] | None:
        rows = await info.context.loaders.members.load(self.row.id) or []
        return [WorkspaceMember(role=row.role, joined_at=row.created_at, account_id=row.account_id) for row in rows]

    @strawberry.field(description="The oldest first.")
    async def service_accounts(self, info: Info) -> list[ServiceAccount] | None:
        rows = await info.context.loaders.workspace_service_accounts.load(self.row.id) or []
        return [ServiceAccount.of(row) for row in rows]


async def visible_workspace(info: Info, workspace_id: UUID) -> Workspace | None:
    """The workspace, if the caller is a member or an admin; else as if it did not exist."""
    if not info.context.caller.reads_in(workspace_id, Scope.ACCOUNT_READ):
        return None
    row = await info.context.loaders.workspaces.load(workspace_id)
    return Workspace.of(row) if row else None


@strawberry.input
class SetWorkspaceMemberInput:
    workspace_id: strawberry.ID
    account_id: strawberry.ID
    role: states.WorkspaceRole


@strawberry.input
class CreateServiceAccountInput:
    workspace_id: strawberry.ID
    name: str
    role: states.WorkspaceRole = strawberry.field(
        default=states.WorkspaceRole.MEMBER, description="`MEMBER` or `VIEWER`."
    )


@strawberry.input
class CreateServiceKeyInput:
    service_account_id: strawberry.ID
    name: str
    expires_at: datetime | None = strawberry.field(default=None, description="90 days from now if it is left out.")


@strawberry.type
class WorkspaceSuccess:
    workspace: Workspace


@strawberry.type
class DeleteWorkspaceSuccess:
    id: strawberry.ID


@strawberry.type
class ServiceAccountSuccess:
    service_account: ServiceAccount


@strawberry.type
class CreateServiceKeySuccess:
    api_key: ApiKey
    secret: str = strawberry.field(description="The key itself. It is shown this once and stored nowhere.")


WorkspaceResult = Annotated[WorkspaceSuccess | TypedError, strawberry.union("WorkspaceResult")]
DeleteWorkspaceResult = Annotated[DeleteWorkspaceSuccess | TypedError, strawberry.union("DeleteWorkspaceResult")]
ServiceAccountResult = Annotated[ServiceAccountSuccess | TypedError, strawberry.union("ServiceAccountResult")]
CreateServiceKeyResult = Annotated[CreateServiceKeySuccess | TypedError, strawberry.union("CreateServiceKeyResult")]
