"""What admins do with accounts of others: find them, suspend and reinstate them, end their sessions, give a role."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.models import Account
from shared_schema.states import Role
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ForbiddenRefusal, NotFoundRefusal, ValidationRefusal
from subgraphs.identity import mails, repository
from subgraphs.identity.clients import Client
from subgraphs.identity.freshness import require_proof
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings

MAX_REASON = 500


class Administration:
    """Only for admins with a session; one for the process.

    No admin changes themself this way, so there is always one left who can.
    """

    def __init__(self, store: Store, settings: IdentitySettings) -> None:
        self._store = store
        self._settings = settings

    async def suspend(self, client: Client, account_id: UUID, reason: str) -> Account:
        """End an account's sessions and refuse its credentials until it is reinstated. Raises a `Refusal`."""
        cleaned = reason.strip()
        if not cleaned or len(cleaned) > MAX_REASON or "\x00" in cleaned:
            raise ValidationRefusal.at("reason", f"Give a reason of 1 to {MAX_REASON} characters.")
        async with self._store.unit_of_work() as session:
            account = await self._other(session, client, account_id)
            if account.disabled_at is None:
                account.disabled_at = await repository.database_now(session)
                account.disabled_reason = cleaned
                await repository.revoke_other_sessions(session, account_id, None)
                mails.add_notice(session, "suspended", account, reason=cleaned)
                await self._audit(session, client, "account.suspend", account_id, reason=cleaned)
                await session.flush()
        return account

    async def reinstate(self, client: Client, account_id: UUID) -> Account:
        """Accept a suspended account's credentials again. Raises a `Refusal`."""
        async with self._store.unit_of_work() as session:
            account = await self._other(session, client, account_id)
            if account.disabled_at is not None:
                account.disabled_at = account.disabled_reason = None
                mails.add_notice(session, "reinstated", account)
                await self._audit(session, client, "account.reinstate", account_id)
                await session.flush()
        return account

    async def end_sessions(self, client: Client, account_id: UUID) -> Account:
        """End every session of an account. Raises a `Refusal`."""
        async with self._store.unit_of_work() as session:
            account = await self._other(session, client, account_id)
            await repository.revoke_other_sessions(session, account_id, None)
            await self._audit(session, client, "account.end_sessions", account_id)
        return account

    async def set_role(self, client: Client, account_id: UUID, role: Role) -> Account:
        """Give an account another role; its sessions end, so that none has the former's rights. Raises a `Refusal`."""
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = await self._other(session, client, account_id)
            if account.role is not role:
                former, account.role = account.role, role
                await repository.revoke_other_sessions(session, account_id, None)
                await self._audit(session, client, "account.set_role", account_id, role=role.value, former=former.value)
                await session.flush()
        return account

    async def _other(self, session: AsyncSession, client: Client, account_id: UUID) -> Account:
        admin = client.caller.require_admin(Scope.ACCOUNT_WRITE)
        if admin == account_id:
            raise ForbiddenRefusal("Another admin has to do this for your own account.")
        account = await repository.lock_account(session, account_id)
        if account is None or account.deleted_at is not None:
            raise NotFoundRefusal("There is no such account.")
        return account

    async def _audit(
        self, session: AsyncSession, client: Client, action: str, account_id: UUID, **detail: object
    ) -> None:
        caller = client.caller
        about = (client, caller.account_id, caller.session_id, "Account", account_id, detail)
        await repository.audit(session, AuditFact(action, "SUCCESS", *about))
