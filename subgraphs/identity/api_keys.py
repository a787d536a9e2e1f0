"""Changes of API keys: making and revoking one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared_schema.models import ApiKey
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, NotFoundRefusal, ValidationRefusal
from subgraphs.identity import credentials, repository, validation
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.scopes import grantable
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new API key and its secret, which is shown once."""

    key: ApiKey
    secret: str


class ApiKeys:
    """Makes and revokes keys; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, throttle: Throttle) -> None:
        self._store = store
        self._settings = settings
        self._throttle = throttle
        self._buckets = Buckets(settings)

    async def create(
        self, client: Client, name: str, scopes: Sequence[str] | None, expires_at: datetime | None
    ) -> NewKey:
        """Make a key with some of the caller's scopes; None means all that a key may be given. Raises a `Refusal`."""
        caller = client.caller
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        cleaned = name.strip()
        if scopes is None:
            scopes = sorted(grantable(caller.role) & caller.scopes)
        if problems := validation.api_key_problems(caller, cleaned, scopes, expires_at):
            raise ValidationRefusal(problems)
        denied = AuditFact(
            "api_key.create", "DENIED", client, account_id, caller.session_id, detail={"reason": "THROTTLED"}
        )
        await self._throttle.count(self._buckets.credential(account_id), denied)
        secret = credentials.new_api_key()
        async with self._store.unit_of_work() as session:
            # The lock makes the count and the insert one step.
            await repository.lock_account(session, account_id)
            if await repository.live_key_count(session, account_id) >= self._settings.api_keys_per_account:
                max_keys = self._settings.api_keys_per_account
                raise ConflictRefusal(f"An account may have {max_keys} keys; revoke one first.")
            await repository.keep_api_keys(session, account_id)
            key = ApiKey(
                account_id=account_id,
                name=cleaned,
                prefix=secret[: credentials.SHOWN],
                secret_hash=credentials.digest(secret),
                scopes=sorted(set(scopes)),
                expires_at=expires_at,
            )
            session.add(key)
            await session.flush()
            fact = AuditFact("api_key.create", "SUCCESS", client, account_id, caller.session_id, "ApiKey", key.id)
            await repository.audit(session, fact)
        return NewKey(key, secret)

    async def revoke(self, client: Client, key_id: UUID) -> ApiKey:
        """End a key of the caller's. Raises a `Refusal`."""
        caller = client.caller
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            key = await repository.lock_api_key(session, key_id)
            if key is None or key.account_id != account_id:
                raise NotFoundRefusal("There is no such key.")
            if key.revoked_at is None:
                key.revoked_at = await repository.database_now(session)
                fact = AuditFact("api_key.revoke", "SUCCESS", client, account_id, caller.session_id, "ApiKey", key.id)
                await repository.audit(session, fact)
        return key
