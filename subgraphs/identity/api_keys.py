"""Changes of API keys: making, rotating and revoking one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.api_keys import new_key, shown
from shared_schema.ids import new_id
from shared_schema.models import ApiKey, WorkspaceMember
from shared_schema.states import WorkspaceRole
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, FieldProblem, NotFoundRefusal, ValidationRefusal
from subgraphs.identity import credentials, repository, validation
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.freshness import require_proof
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.scopes import grantable
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle

MAX_OVERLAP_SECONDS = 30 * 24 * 3600
NO_KEY = "There is no such key."


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new API key and its secret, which is shown once."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key as a client wants it; None means the default: all scopes that a key may have, 90 days, from everywhere."""

    name: str
    scopes: Sequence[str] | None = None
    expires_at: datetime | None = None
    allowed_networks: Sequence[str] = ()
    workspace_id: UUID | None = None


class ApiKeys:
    """Makes, rotates and revokes keys; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, throttle: Throttle) -> None:
        self._store = store
        self._settings = settings
        self._throttle = throttle
        self._buckets = Buckets(settings)

    async def create(self, client: Client, asked: KeyRequest) -> NewKey:
        """Make a key with some of the caller's scopes. Raises a `Refusal`."""
        caller = client.caller
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        cleaned = asked.name.strip()
        scopes = asked.scopes
        if scopes is None:
            scopes = sorted(grantable(caller.role) & caller.scopes)
        problems = validation.api_key_problems(caller, cleaned, scopes)
        problems += validation.expiry_problems(asked.expires_at, self._settings.api_key_max_days)
        problems += validation.network_problems(asked.allowed_networks)
        if asked.workspace_id is not None and asked.workspace_id not in caller.workspaces:
            problems.append(FieldProblem(("workspaceId",), "You are no member of such a workspace."))
        if problems:
            raise ValidationRefusal(problems)
        denied = AuditFact(
            "api_key.create", "DENIED", client, account_id, caller.session_id, detail={"reason": "THROTTLED"}
        )
        await self._throttle.count(self._buckets.credential(account_id), denied)
        key_id = new_id()
        secret = new_key(self._settings.key_environment, key_id)
        async with self._store.unit_of_work() as session:
            if any(scope.endswith(":write") for scope in scopes):
                await require_proof(session, self._settings, client)
            # The lock makes the count and the insert one step.
            await repository.lock_account(session, account_id)
            if await repository.live_key_count(session, account_id) >= self._settings.api_keys_per_account:
                max_keys = self._settings.api_keys_per_account
                raise ConflictRefusal(f"An account may have {max_keys} keys; revoke one first.")
            await repository.keep_api_keys(session, account_id)
            key = ApiKey(
                id=key_id,
                account_id=account_id,
                workspace_id=asked.workspace_id,
                name=cleaned,
                prefix=shown(self._settings.key_environment, key_id),
                secret_hash=credentials.digest(secret),
                scopes=sorted(set(scopes)),
                expires_at=asked.expires_at or await repository.later(session, self._settings.api_key_days),
                allowed_networks=validation.normalised_networks(asked.allowed_networks),
            )
            session.add(key)
            await session.flush()
            await repository.audit(session, _fact("api_key.create", client, key))
        return NewKey(key, secret)

    async def rotate(self, client: Client, key_id: UUID, overlap_seconds: int, expires_at: datetime | None) -> NewKey:
        """Give a key a new secret; the one before is good for the overlap. Raises a `Refusal`."""
        caller = client.caller
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        problems = validation.expiry_problems(expires_at, self._settings.api_key_max_days)
        if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
            problems.append(FieldProblem(("overlapSeconds",), f"0 to {MAX_OVERLAP_SECONDS} seconds are allowed."))
        if problems:
            raise ValidationRefusal(problems)
        denied = AuditFact(
            "api_key.rotate", "DENIED", client, account_id, caller.session_id, detail={"reason": "THROTTLED"}
        )
        await self._throttle.count(self._buckets.credential(account_id), denied)
        async with self._store.unit_of_work() as session:
            key = await self._locked(session, key_id, account_id)
            if key.revoked_at is not None:
                raise ConflictRefusal("This key was revoked; make a new one.")
            now = await repository.database_now(session)
            secret = new_key(self._settings.key_environment, key.id)
            ends = now + timedelta(seconds=overlap_seconds)
            # The former secret lives no longer than it would have.
            ends = min(ends, key.expires_at) if key.expires_at is not None else ends
            key.previous_secret_hash, key.previous_expires_at = key.secret_hash, ends
            key.secret_hash, key.rotated_at = credentials.digest(secret), now
            key.prefix = shown(self._settings.key_environment, key.id)
            key.expires_at = expires_at or await repository.later(session, self._settings.api_key_days)
            await session.flush()
            await repository.audit(session, _fact("api_key.rotate", client, key, overlap_seconds=overlap_seconds))
        return NewKey(key, secret)

    async def revoke(self, client: Client, key_id: UUID) -> ApiKey:
        """End a key of the caller's, both its secrets. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            key = await self._locked(session, key_id, account_id)
            if key.revoked_at is None:
                key.revoked_at = await repository.database_now(session)
                await repository.audit(session, _fact("api_key.revoke", client, key))
        return key

    async def _locked(self, session: AsyncSession, key_id: UUID, account_id: UUID) -> ApiKey:
        key = await repository.lock_api_key(session, key_id)
        if key is None:
            raise NotFoundRefusal(NO_KEY)
        if key.account_id != account_id and not await self._owns_workspace(session, key, account_id):
            raise NotFoundRefusal(NO_KEY, hidden=("ApiKey", key_id))
        return key

    async def _owns_workspace(self, session: AsyncSession, key: ApiKey, account_id: UUID) -> bool:
        """True for the key of a service account, in a workspace of which the account is an owner."""
        if key.service_account_id is None or key.workspace_id is None:
            return False
        member = await session.get(WorkspaceMember, (key.workspace_id, account_id))
        return member is not None and member.role is WorkspaceRole.OWNER


def _fact(action: str, client: Client, key: ApiKey, **detail: object) -> AuditFact:
    caller = client.caller
    return AuditFact(action, "SUCCESS", client, caller.account_id, caller.session_id, "ApiKey", key.id, detail)
