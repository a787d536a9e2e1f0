"""How an account ends: its owner closes it, may keep it for some days, and takes their data along."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.models import Account, DataExport
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, ForbiddenRefusal, UnauthenticatedRefusal
from subgraphs.identity import mails, repository
from subgraphs.identity.clients import Client
from subgraphs.identity.freshness import require_proof
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings

#: Files that are kept of one account; the worker removes each after its days.
MAX_EXPORTS = 5


class Lifecycle:
    """Closes accounts and asks for exports; identity's worker does the work. One for the process."""

    def __init__(self, store: Store, settings: IdentitySettings) -> None:
        self._store = store
        self._settings = settings

    async def close(self, client: Client) -> Account:
        """Have the account emptied after the waiting time. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = await self._locked(session, account_id)
            if account.email in self._settings.kept_accounts:
                raise ForbiddenRefusal("This account publishes the platform's own agents and can't be closed.")
            if account.closes_at is None:
                closes_at = await repository.database_now(session) + timedelta(days=self._settings.closing_days)
                account.closes_at = closes_at
                mails.add_notice(session, "closing", account, closes=closes_at.isoformat())
                about = (client, account_id, client.caller.session_id, "Account", account_id)
                await repository.audit(session, AuditFact("account.close", "SUCCESS", *about))
                await session.flush()
        return account

    async def keep(self, client: Client) -> Account:
        """Take the closing back. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            account = await self._locked(session, account_id)
            if account.closes_at is not None:
                account.closes_at = None
                mails.add_notice(session, "kept", account)
                about = (client, account_id, client.caller.session_id, "Account", account_id)
                await repository.audit(session, AuditFact("account.keep", "SUCCESS", *about))
                await session.flush()
        return account

    async def export(self, client: Client) -> DataExport:
        """Ask for a file with all of the account's data. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            await self._locked(session, account_id)
            exports = await repository.exports_of(session, account_id)
            if any(each.finished_at is None for each in exports):
                raise ConflictRefusal("An export is being written; a mail will say when it is ready.")
            if len(exports) >= MAX_EXPORTS:
                raise ConflictRefusal(f"There are {MAX_EXPORTS} exports; wait until one of them ends.")
            export = DataExport(account_id=account_id)
            session.add(export)
            await session.flush()
            about = (client, account_id, client.caller.session_id, "DataExport", export.id)
            await repository.audit(session, AuditFact("account.export", "SUCCESS", *about))
        return export

    async def _locked(self, session: AsyncSession, account_id: UUID) -> Account:
        account = await repository.lock_account(session, account_id)
        if account is None or account.deleted_at is not None:
            raise UnauthenticatedRefusal("The account is gone.")
        return account
