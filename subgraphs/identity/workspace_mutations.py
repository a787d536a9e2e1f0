"""The root fields that change workspaces."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.mutation` used as a decorator has no type of its own.)

from __future__ import annotations

from uuid import UUID

import strawberry

from subgraphs.common.ids import input_id
from subgraphs.common.results import attempt
from subgraphs.identity.context import Info
from subgraphs.identity.types import ApiKey
from subgraphs.identity.workspace_types import (
    CreateServiceAccountInput,
    CreateServiceKeyInput,
    CreateServiceKeyResult,
    CreateServiceKeySuccess,
    DeleteWorkspaceResult,
    DeleteWorkspaceSuccess,
    ServiceAccount,
    ServiceAccountResult,
    ServiceAccountSuccess,
    SetWorkspaceMemberInput,
    Workspace,
    WorkspaceResult,
    WorkspaceSuccess,
)


@strawberry.type
class WorkspaceMutation:
    """Mutations of workspaces."""

    @strawberry.mutation(description="Make a workspace, of which you are the owner.")
    async def create_workspace(self, info: Info, name: str) -> WorkspaceResult:
        async def work() -> WorkspaceSuccess:
            row = await info.context.service.workspaces.create(info.context.client, name)
            return WorkspaceSuccess(workspace=Workspace.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Give a workspace another name; for its owners.")
    async def rename_workspace(self, info: Info, id: strawberry.ID, name: str) -> WorkspaceResult:
        async def work() -> WorkspaceSuccess:
            workspace_id = input_id("Workspace", id)
            row = await info.context.service.workspaces.rename(info.context.client, workspace_id, name)
            return WorkspaceSuccess(workspace=Workspace.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Close a workspace to all its members and keys; for its owners.")
    async def delete_workspace(self, info: Info, id: strawberry.ID) -> DeleteWorkspaceResult:
        async def work() -> DeleteWorkspaceSuccess:
            await info.context.service.workspaces.delete(info.context.client, input_id("Workspace", id))
            return DeleteWorkspaceSuccess(id=id)

        return await attempt(info, work())

    @strawberry.mutation(description="Add an account to a workspace, or give a member another role; for its owners.")
    async def set_workspace_member(self, info: Info, input: SetWorkspaceMemberInput) -> WorkspaceResult:
        async def work() -> WorkspaceSuccess:
            workspace_id = input_id("Workspace", input.workspace_id, "workspaceId")
            account_id = input_id("Account", input.account_id, "accountId")
            service = info.context.service.workspaces
            await service.set_member(info.context.client, workspace_id, account_id, input.role)
            return await _workspace(info, workspace_id)

        return await attempt(info, work())

    @strawberry.mutation(description="Take a member out of a workspace; for its owners, and for the member itself.")
    async def remove_workspace_member(
        self, info: Info, workspace_id: strawberry.ID, account_id: strawberry.ID
    ) -> WorkspaceResult:
        async def work() -> WorkspaceSuccess:
            workspace, account = input_id("Workspace", workspace_id, "workspaceId"), input_id("Account", account_id)
            row = await info.context.service.workspaces.remove_member(info.context.client, workspace, account)
            return WorkspaceSuccess(workspace=Workspace.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Make an account for a program in a workspace; for its owners.")
    async def create_service_account(self, info: Info, input: CreateServiceAccountInput) -> ServiceAccountResult:
        async def work() -> ServiceAccountSuccess:
            workspace_id = input_id("Workspace", input.workspace_id, "workspaceId")
            service = info.context.service.workspaces
            row = await service.create_service_account(info.context.client, workspace_id, input.name, input.role)
            return ServiceAccountSuccess(service_account=ServiceAccount.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="End a service account and its keys; for the workspace's owners.")
    async def delete_service_account(self, info: Info, id: strawberry.ID) -> ServiceAccountResult:
        async def work() -> ServiceAccountSuccess:
            account_id = input_id("ServiceAccount", id)
            row = await info.context.service.workspaces.delete_service_account(info.context.client, account_id)
            return ServiceAccountSuccess(service_account=ServiceAccount.of(row))

        return await attempt(info, work())

    @strawberry.mutation(
        description="Make a key of a service account, which may do what its role may; for the workspace's owners."
    )
    async def create_service_key(self, info: Info, input: CreateServiceKeyInput) -> CreateServiceKeyResult:
        async def work() -> CreateServiceKeySuccess:
            account_id = input_id("ServiceAccount", input.service_account_id, "serviceAccountId")
            key, secret = await info.context.service.workspaces.create_service_key(
                info.context.client, account_id, input.name, input.expires_at
            )
            return CreateServiceKeySuccess(api_key=ApiKey.of(key), secret=secret)

        return await attempt(info, work())


async def _workspace(info: Info, workspace_id: UUID) -> WorkspaceSuccess:
    row = await info.context.loaders.workspaces.load(workspace_id)
    assert row is not None
    return WorkspaceSuccess(workspace=Workspace.of(row))
