"""Rules of workspaces: who makes, names, shares and leaves them, and the service accounts that act for them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.api_keys import new_key, shown
from shared_schema.contracts.assertion import MAX_WORKSPACES
from shared_schema.ids import new_id
from shared_schema.models import ApiKey, ServiceAccount, Workspace, WorkspaceMember
from shared_schema.states import WorkspaceRole
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import (
    ConflictRefusal,
    FieldProblem,
    ForbiddenRefusal,
    NotFoundRefusal,
    ValidationRefusal,
)
from subgraphs.common.pagination import count_all
from subgraphs.identity import credentials, repository, validation
from subgraphs.identity.clients import Client
from subgraphs.identity.display_names import name_problems
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings

MAX_MEMBERS = 200
MAX_SERVICE_ACCOUNTS = 50
NO_WORKSPACE = "There is no such workspace."
NO_MEMBER = "There is no such member."


class Workspaces:
    """Changes of workspaces, each in one unit of work; one for the process.

    A change of members locks the workspace's row, so that two owners who leave at once don't leave it without one.
    """

    def __init__(self, store: Store, settings: IdentitySettings) -> None:
        self._store = store
        self._settings = settings

    async def create(self, client: Client, name: str) -> Workspace:
        """Make a workspace, of which the caller is the owner. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        cleaned = _name(name)
        async with self._store.unit_of_work() as session:
            if await repository.lock_account(session, account_id) is None:
                raise ForbiddenRefusal("Only people make workspaces.")
            await _refuse_one_too_many(session, account_id, "You are a member of")
            workspace = Workspace(name=cleaned)
            session.add(workspace)
            await session.flush()
            session.add(WorkspaceMember(workspace_id=workspace.id, account_id=account_id, role=WorkspaceRole.OWNER))
            await self._audit(session, client, "workspace.create", workspace.id)
        return workspace

    async def rename(self, client: Client, workspace_id: UUID, name: str) -> Workspace:
        """Give a workspace another name. Raises a `Refusal`."""
        cleaned = _name(name)
        async with self._store.unit_of_work() as session:
            workspace = await self._own(session, client, workspace_id)
            workspace.name = cleaned
            await self._audit(session, client, "workspace.rename", workspace_id)
            await session.flush()
        return workspace

    async def delete(self, client: Client, workspace_id: UUID) -> Workspace:
        """Close a workspace to all its members and keys; what belongs to it stays, out of everybody's sight."""
        async with self._store.unit_of_work() as session:
            workspace = await self._own(session, client, workspace_id)
            if workspace.personal_of is not None:
                raise ConflictRefusal("A personal workspace ends with its account.")
            workspace.deleted_at = await repository.database_now(session)
            ended = update(ApiKey).where(ApiKey.workspace_id == workspace_id, ApiKey.revoked_at.is_(None))
            await session.execute(ended.values(revoked_at=func.now()))
            await self._audit(session, client, "workspace.delete", workspace_id)
            await session.flush()
        return workspace

    async def set_member(
        self, client: Client, workspace_id: UUID, account_id: UUID, role: WorkspaceRole
    ) -> WorkspaceMember:
        """Add an account to a workspace, or give a member another role. Raises a `Refusal`."""
        async with self._store.unit_of_work() as session:
            workspace = await self._own(session, client, workspace_id)
            if workspace.personal_of is not None:
                raise ConflictRefusal("A personal workspace has one member; make another to share it.")
            member = await session.get(WorkspaceMember, (workspace_id, account_id), with_for_update=True)
            if member is None:
                account = await repository.lock_account(session, account_id)
                if account is None or account.deleted_at is not None:
                    raise NotFoundRefusal("There is no such account.")
                await _refuse_one_too_many(session, account_id, "The account is a member of")
                members = select(WorkspaceMember).where(WorkspaceMember.workspace_id == workspace_id)
                if await count_all(session, members) >= MAX_MEMBERS:
                    raise ConflictRefusal(f"A workspace has at most {MAX_MEMBERS} members.")
                member = WorkspaceMember(workspace_id=workspace_id, account_id=account_id, role=role)
                session.add(member)
            elif member.role is not role:
                await self._refuse_the_last_owner(session, member)
                member.role = role
            await session.flush()
            await self._audit(session, client, "workspace.set_member", workspace_id, member=account_id, role=role)
        return member

    async def remove_member(self, client: Client, workspace_id: UUID, account_id: UUID) -> Workspace:
        """Take a member out of a workspace: an owner any, everybody themselves. Raises a `Refusal`."""
        caller = client.caller
        async with self._store.unit_of_work() as session:
            if caller.require(Scope.ACCOUNT_WRITE) == account_id:
                workspace = await self._seen(session, client, workspace_id)
            else:
                workspace = await self._own(session, client, workspace_id)
            if workspace.personal_of is not None:
                raise ConflictRefusal("A personal workspace keeps its one member.")
            member = await session.get(WorkspaceMember, (workspace_id, account_id), with_for_update=True)
            if member is None:
                raise NotFoundRefusal(NO_MEMBER)
            await self._refuse_the_last_owner(session, member)
            await session.delete(member)
            # Keys that the member had for this workspace alone are of no use any more.
            ended = update(ApiKey).where(
                ApiKey.workspace_id == workspace_id, ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None)
            )
            await session.execute(ended.values(revoked_at=func.now()))
            await self._audit(session, client, "workspace.remove_member", workspace_id, member=account_id)
            await session.flush()
        return workspace

    async def create_service_account(
        self, client: Client, workspace_id: UUID, name: str, role: WorkspaceRole
    ) -> ServiceAccount:
        """Make a program's account in a workspace. Raises a `Refusal`."""
        cleaned = _name(name)
        if role is WorkspaceRole.OWNER:
            raise ValidationRefusal.at("role", "A service account is a member or a viewer.")
        async with self._store.unit_of_work() as session:
            await self._own(session, client, workspace_id)
            present = select(ServiceAccount).where(
                ServiceAccount.workspace_id == workspace_id, ServiceAccount.deleted_at.is_(None)
            )
            if await count_all(session, present) >= MAX_SERVICE_ACCOUNTS:
                raise ConflictRefusal(f"A workspace has at most {MAX_SERVICE_ACCOUNTS} service accounts.")
            account = ServiceAccount(workspace_id=workspace_id, name=cleaned, role=role)
            session.add(account)
            await session.flush()
            await self._audit(session, client, "service_account.create", workspace_id, service_account=account.id)
        return account

    async def delete_service_account(self, client: Client, service_account_id: UUID) -> ServiceAccount:
        """End a service account and its keys. Raises a `Refusal`."""
        async with self._store.unit_of_work() as session:
            account = await self._service_account(session, client, service_account_id)
            account.deleted_at = await repository.database_now(session)
            ended = update(ApiKey).where(ApiKey.service_account_id == account.id, ApiKey.revoked_at.is_(None))
            await session.execute(ended.values(revoked_at=func.now()))
            about = account.workspace_id
            await self._audit(session, client, "service_account.delete", about, service_account=account.id)
            await session.flush()
        return account

    async def create_service_key(
        self, client: Client, service_account_id: UUID, name: str, expires_at: datetime | None
    ) -> tuple[ApiKey, str]:
        """Make a key of a service account, with the rights of its role; the key and its text. Raises a `Refusal`."""
        cleaned = _name(name)
        if problems := validation.expiry_problems(expires_at, self._settings.api_key_max_days):
            raise ValidationRefusal(problems)
        key_id = new_id()
        secret = new_key(self._settings.key_environment, key_id)
        async with self._store.unit_of_work() as session:
            account = await self._service_account(session, client, service_account_id)
            live = repository.live_api_keys().where(ApiKey.workspace_id == account.workspace_id)
            if await count_all(session, live) >= self._settings.api_keys_per_account:
                raise ConflictRefusal(f"A workspace may have {self._settings.api_keys_per_account} keys.")
            key = ApiKey(
                id=key_id,
                service_account_id=account.id,
                workspace_id=account.workspace_id,
                name=cleaned,
                prefix=shown(self._settings.key_environment, key_id),
                secret_hash=credentials.digest(secret),
                scopes=sorted(service_scopes(account.role)),
                expires_at=expires_at or await repository.later(session, self._settings.api_key_days),
            )
            session.add(key)
            await session.flush()
            caller = client.caller
            about = (client, caller.account_id, caller.session_id, "ApiKey", key.id)
            detail = {"service_account": str(account.id), "workspace": str(account.workspace_id)}
            await repository.audit(session, AuditFact("api_key.create", "SUCCESS", *about, detail))
        return key, secret

    async def _seen(self, session: AsyncSession, client: Client, workspace_id: UUID) -> Workspace:
        """The workspace, locked, if the caller is a member by the database's present state."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        workspace = await session.get(Workspace, workspace_id, with_for_update=True)
        if workspace is None or workspace.deleted_at is not None:
            raise NotFoundRefusal(NO_WORKSPACE)
        if await session.get(WorkspaceMember, (workspace_id, account_id)) is None:
            raise NotFoundRefusal(NO_WORKSPACE, hidden=("Workspace", workspace_id))
        return workspace

    async def _own(self, session: AsyncSession, client: Client, workspace_id: UUID) -> Workspace:
        """The workspace, locked, if the caller is an owner by the database's present state."""
        workspace = await self._seen(session, client, workspace_id)
        member = await session.get_one(WorkspaceMember, (workspace_id, client.caller.account_id))
        if member.role is not WorkspaceRole.OWNER:
            raise ForbiddenRefusal("Only owners of the workspace may do this.")
        return workspace

    async def _service_account(self, session: AsyncSession, client: Client, account_id: UUID) -> ServiceAccount:
        account = await session.get(ServiceAccount, account_id)
        if account is None or account.deleted_at is not None:
            client.caller.require(Scope.ACCOUNT_WRITE)
            raise NotFoundRefusal("There is no such service account.")
        await self._own(session, client, account.workspace_id)
        return account

    async def _refuse_the_last_owner(self, session: AsyncSession, member: WorkspaceMember) -> None:
        if member.role is not WorkspaceRole.OWNER:
            return
        owners = select(WorkspaceMember).where(
            WorkspaceMember.workspace_id == member.workspace_id, WorkspaceMember.role == WorkspaceRole.OWNER
        )
        if await count_all(session, owners) == 1:
            raise ConflictRefusal("A workspace keeps at least one owner; make another member one first.")

    async def _audit(
        self, session: AsyncSession, client: Client, action: str, workspace_id: UUID, **detail: object
    ) -> None:
        caller = client.caller
        about = (client, caller.account_id, caller.session_id, "Workspace", workspace_id)
        shown_detail = {name: str(value) for name, value in detail.items()}
        await repository.audit(session, AuditFact(action, "SUCCESS", *about, shown_detail))


def service_scopes(role: WorkspaceRole) -> frozenset[str]:
    """Scopes of a service account's keys."""
    scopes = {Scope.INSTANCES_READ.value}
    return frozenset(scopes | {Scope.INSTANCES_WRITE.value} if role.may_write else scopes)


def _name(name: str) -> str:
    cleaned = name.strip()
    problems: list[FieldProblem] = name_problems("name", cleaned)
    if problems:
        raise ValidationRefusal(problems)
    return cleaned


async def _refuse_one_too_many(session: AsyncSession, account_id: UUID, who: str) -> None:
    memberships = (
        select(WorkspaceMember)
        .join(Workspace, Workspace.id == WorkspaceMember.workspace_id)
        .where(WorkspaceMember.account_id == account_id, Workspace.deleted_at.is_(None))
    )
    if await count_all(session, memberships) >= MAX_WORKSPACES:
        raise ConflictRefusal(f"{who} {MAX_WORKSPACES} workspaces, which is as many as may.")
