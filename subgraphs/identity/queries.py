"""The root fields of identity that read."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

import asyncio

import strawberry

from subgraphs.common.caller import Scope
from subgraphs.common.connection import After, Before, Connection, First, Last, list_connection
from subgraphs.common.errors import Forbidden, Unauthenticated
from subgraphs.common.ids import argument_id
from subgraphs.common.pagination import PageRequest
from subgraphs.common.schema import ServiceQuery
from subgraphs.identity.account_queries import AccountQueries
from subgraphs.identity.context import Info
from subgraphs.identity.provider_mutations import ProviderQueries
from subgraphs.identity.trail import NEWEST, AuditEntry, AuditFilter, everything
from subgraphs.identity.types import Account
from subgraphs.identity.workspace_types import Workspace, visible_workspace


@strawberry.type
class Query(AccountQueries, ProviderQueries, ServiceQuery):
    """Queries of identity."""

    @strawberry.field(description="Your account; null without a sign-in.")
    async def me(self, info: Info) -> Account | None:
        account_id = info.context.caller.account_id
        row = await info.context.loaders.accounts.load(account_id) if account_id else None
        return Account.of(row) if row else None

    @strawberry.field(description="The workspaces of which you are a member, your personal one first.")
    async def workspaces(self, info: Info) -> list[Workspace] | None:
        # All at once, so that the loader asks for them together.
        found = await asyncio.gather(*(visible_workspace(info, each) for each in info.context.caller.workspaces))
        rows = [workspace for workspace in found if workspace is not None]
        return sorted(rows, key=lambda workspace: (not workspace.is_personal, workspace.name, workspace.id))

    @strawberry.field(description="One workspace; null if there is none that you may see.")
    async def workspace(self, info: Info, id: strawberry.ID) -> Workspace | None:
        return await visible_workspace(info, argument_id("Workspace", id))

    @strawberry.field(description="The audit log, newest first; for admins.")
    async def audit_trail(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: AuditFilter | None = None,
    ) -> Connection[AuditEntry] | None:
        caller = info.context.caller
        if not caller.is_authenticated:
            raise Unauthenticated("Sign in as an admin to read the audit log.")
        if not caller.administers(Scope.ACCOUNT_READ):
            raise Forbidden("Only admins may read the whole audit log; your own entries are at `me { auditTrail }`.")
        entries = (filter or AuditFilter()).applied(everything())
        request = PageRequest.of(first, after, last, before)
        return await list_connection(info.context.store, entries, NEWEST, request, AuditEntry.of)
