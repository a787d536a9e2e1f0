"""The GraphQL types of identity: what clients see of accounts, keys and sessions."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from shared_schema import models, states
from shared_schema.ids import to_global_id
from subgraphs.common.caller import Scope
from subgraphs.common.connection import After, Before, Connection, First, Last, list_connection
from subgraphs.common.errors import Forbidden
from subgraphs.common.ids import reference_id
from subgraphs.common.pagination import PageRequest
from subgraphs.identity import codes, repository
from subgraphs.identity.context import Info
from subgraphs.identity.trail import NEWEST, AuditEntry, AuditFilter, of_account

strawberry.enum(states.Role, name="Role", description="What an account may do at large.")


@strawberry.type(description="A key for programs, as its owner sees it; the secret is shown only once.")
class ApiKey:
    id: strawberry.ID
    name: str
    prefix: str = strawberry.field(description="How the key begins: its environment and its id.")
    scopes: list[str] = strawberry.field(description="What the key may be used for, e.g. `instances:read`.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = strawberry.field(description="To the minute.")
    revoked_at: datetime | None
    rotated_at: datetime | None
    previous_secret_expires_at: datetime | None = strawberry.field(
        description="Until when the secret before the last rotation is good."
    )
    allowed_networks: list[str] = strawberry.field(
        description="Networks from which it may be used; an empty list: from everywhere."
    )

    @classmethod
    def of(cls, row: models.ApiKey) -> ApiKey:
        """The key as clients see it."""
        return cls(
            id=strawberry.ID(to_global_id("ApiKey", row.id)),
            name=row.name,
            prefix=row.prefix,
            scopes=row.scopes,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            rotated_at=row.rotated_at,
            previous_secret_expires_at=row.previous_expires_at,
            allowed_networks=row.allowed_networks,
        )


@strawberry.type(description="A sign-in that still counts.")
class Session:
    id: strawberry.ID
    user_agent: str | None = strawberry.field(description="The device, as it called itself when it signed in.")
    ip_address: str | None = strawberry.field(description="Where the sign-in came from.")
    created_at: datetime
    last_seen_at: datetime = strawberry.field(description="To the minute.")
    expires_at: datetime
    revoked_at: datetime | None
    is_current: bool = strawberry.field(description="Whether this request was made with it.")

    @classmethod
    def of(cls, row: models.AccountSession, current: UUID | None) -> Session:
        """The session as clients see it."""
        return cls(
            id=strawberry.ID(to_global_id("Session", row.id)),
            user_agent=row.user_agent,
            ip_address=row.ip_address and str(row.ip_address),
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            is_current=row.id == current,
        )


@strawberry.type(description="A WebAuthn credential that signs an account in.")
class Passkey:
    id: strawberry.ID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    is_backed_up: bool = strawberry.field(description="Whether its owner has it on several devices.")

    @classmethod
    def of(cls, row: models.Passkey) -> Passkey:
        """The passkey as its owner sees it."""
        return cls(
            id=strawberry.ID(to_global_id("Passkey", row.id)),
            name=row.name,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            is_backed_up=row.is_backed_up,
        )


@strawberry.type(description="A person at an OpenID Connect provider who signs in to this account.")
class LinkedProvider:
    id: strawberry.ID
    issuer: str
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: models.ExternalIdentity) -> LinkedProvider:
        """The link as its owner sees it."""
        return cls(
            id=strawberry.ID(to_global_id("ExternalIdentity", row.id)),
            issuer=row.issuer,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
        )


@strawberry.type(description="What is asked for at a sign-in beside the password.")
class SecondFactor:
    totp_since: datetime | None = strawberry.field(description="Since when a code of an app is asked for.")
    recovery_codes_left: int


@strawberry.type(description="A file with all that is kept of an account.")
class DataExport:
    id: strawberry.ID
    created_at: datetime
    finished_at: datetime | None = strawberry.field(description="Null while it is being written.")
    expires_at: datetime | None = strawberry.field(description="When the file is removed.")
    size_bytes: int | None
    key: strawberry.Private[str | None]

    @classmethod
    def of(cls, row: models.DataExport) -> DataExport:
        """The export as its owner sees it."""
        return cls(
            id=strawberry.ID(to_global_id("DataExport", row.id)),
            created_at=row.created_at,
            finished_at=row.finished_at,
            expires_at=row.expires_at,
            # GraphQL's integers end at 2^31; no person's file is near.
            size_bytes=None if row.size_bytes is None else min(row.size_bytes, 2**31 - 1),
            key=row.storage_key,
        )

    @strawberry.field(description="Where any holder of the address may read the file for some minutes.")
    def url(self, info: Info) -> str | None:
        if self.key is None:
            return None
        context = info.context
        seconds = context.settings.artifact_url_seconds
        return context.service.storage.url(
            self.key, "application/json", "botberi-account.json", seconds, base_url=context.facts.base_url
        )


@strawberry.federation.type(keys=["id"], description="Somebody who signs in, owns instances, publishes agents.")
class Account:
    id: strawberry.ID
    display_name: str
    created_at: datetime
    row: strawberry.Private[models.Account]

    @classmethod
    def of(cls, row: models.Account) -> Account:
        """The account as clients see it."""
        return cls(
            id=strawberry.ID(to_global_id("Account", row.id)),
            display_name=row.display_name,
            created_at=row.created_at,
            row=row,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Account | None:
        """The account that another subgraph speaks of; all of a request's come in one query."""
        account_id = reference_id("Account", id)
        if account_id is None:
            return None
        row = await info.context.loaders.accounts.load(account_id)
        if row is not None:
            return cls.of(row)
        # What a program made has its service account as the owner, which has a name and nothing else.
        service = await info.context.loaders.service_accounts.load(account_id)
        if service is None:
            return None
        nothing = models.Account(id=service.id, display_name=service.name, created_at=service.created_at)
        return cls.of(nothing)

    @strawberry.field(description="Null unless it is your own account or you are an admin.")
    def email(self, info: Info) -> str | None:
        return self.row.email if self._is_open_to(info) else None

    @strawberry.field(description="Null unless it is your own account or you are an admin.")
    def role(self, info: Info) -> states.Role | None:
        return self.row.role if self._is_open_to(info) else None

    @strawberry.field(description="When the address was confirmed by mail; for the account itself and admins.")
    def email_verified_at(self, info: Info) -> datetime | None:
        return self.row.email_verified_at if self._is_open_to(info) else None

    @strawberry.field(description="Since when the account is suspended; for the account itself and admins.")
    def suspended_at(self, info: Info) -> datetime | None:
        return self.row.disabled_at if self._is_open_to(info) else None

    @strawberry.field(description="Why it is suspended; for the account itself and admins.")
    def suspension_reason(self, info: Info) -> str | None:
        return self.row.disabled_reason if self._is_open_to(info) else None

    @strawberry.field(description="When the account is emptied, as its owner closed it; for itself and admins.")
    def closes_at(self, info: Info) -> datetime | None:
        return self.row.closes_at if self._is_open_to(info) else None

    @strawberry.field(description="The account's passkeys, newest first; for the account itself.")
    async def passkeys(self, info: Info) -> list[Passkey] | None:
        self._require_own(info)
        async with info.context.store.read() as session:
            rows = await repository.passkeys_of(session, self.row.id)
        return [Passkey.of(row) for row in rows]

    @strawberry.field(description="Providers at which the account signs in; for the account itself.")
    async def linked_providers(self, info: Info) -> list[LinkedProvider] | None:
        self._require_own(info)
        async with info.context.store.read() as session:
            rows = await repository.identities_of(session, self.row.id)
        return [LinkedProvider.of(row) for row in rows]

    @strawberry.field(description="What a sign-in asks for beside the password; for the account itself.")
    async def second_factor(self, info: Info) -> SecondFactor | None:
        self._require_own(info)
        async with info.context.store.read() as session:
            factor = await codes.confirmed_factor(session, self.row.id)
            left = await codes.recovery_left(session, self.row.id)
        return SecondFactor(totp_since=factor.confirmed_at if factor else None, recovery_codes_left=left)

    @strawberry.field(description="Files with all of the account's data, newest first; for the account itself.")
    async def data_exports(self, info: Info) -> list[DataExport] | None:
        self._require_own(info)
        async with info.context.store.read() as session:
            rows = await repository.exports_of(session, self.row.id)
        return [DataExport.of(row) for row in rows]

    @strawberry.field(description="The account's API keys, newest first; for the account itself and admins.")
    async def api_keys(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ApiKey] | None:
        self._require_open_to(info)
        request = PageRequest.of(first, after, last, before)
        return await info.context.loaders.api_keys.connection(self.row.id, request, ApiKey.of)

    @strawberry.field(description="Where the account is signed in, newest first; for itself and admins.")
    async def sessions(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Session] | None:
        self._require_open_to(info)
        request = PageRequest.of(first, after, last, before)
        current = info.context.caller.session_id
        return await info.context.loaders.sessions.connection(
            self.row.id, request, lambda row: Session.of(row, current)
        )

    @strawberry.field(description="What the account did and what was done to it, newest first; for itself and admins.")
    async def audit_trail(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: AuditFilter | None = None,
    ) -> Connection[AuditEntry] | None:
        self._require_open_to(info)
        entries = (filter or AuditFilter()).applied(of_account(self.row.id))
        request = PageRequest.of(first, after, last, before)
        return await list_connection(info.context.store, entries, NEWEST, request, AuditEntry.of)

    def _require_own(self, info: Info) -> None:
        if info.context.caller.account_id != self.row.id:
            raise Forbidden("Only the account itself may see this.")
        self._require_open_to(info)

    def _is_open_to(self, info: Info) -> bool:
        return info.context.caller.may_read(self.row.id, Scope.ACCOUNT_READ)

    def _require_open_to(self, info: Info) -> None:
        if not self._is_open_to(info):
            raise Forbidden("Only the account itself and admins may see this.")
