"""Changes of an account that its owner makes at once: a new password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared_schema.models import Account
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import (
    ConflictRefusal,
    UnauthenticatedRefusal,
    Unavailable,
    ValidationRefusal,
)
from subgraphs.identity import credentials, mails, repository
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.passwords import COMMON, Passwords, weakness
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle


@dataclass(frozen=True, slots=True)
class ChangedPassword:
    """The account, and the caller's session under its new token (None where no session called)."""

    account: Account
    token: str | None
    expires_at: datetime | None


class Accounts:
    """Changes passwords; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, passwords: Passwords, throttle: Throttle) -> None:
        self._store = store
        self._settings = settings
        self._passwords = passwords
        self._throttle = throttle
        self._buckets = Buckets(settings)

    async def change_password(self, client: Client, current: str, new: str, *, keep_api_keys: bool) -> ChangedPassword:
        """Change the caller's password.

        Their other sessions, other known devices and (unless they are to be kept) all API keys end, and the session
        that called gets a new token. Raises a `Refusal`, or `Unavailable` when too many wait.
        """
        caller = client.caller
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.read() as session:
            account = (await repository.accounts_by_id(session, [account_id])).get(account_id)
        if account is None:
            raise UnauthenticatedRefusal("The account is gone.")
        if weak := weakness(new, account.email, account.display_name):
            raise ValidationRefusal.at("newPassword", weak)
        buckets = self._buckets.change_password(account_id, client)

        def fact(outcome: str, **detail: object) -> AuditFact:
            about = (client, account_id, caller.session_id, "Account", account_id)
            return AuditFact("account.change_password", outcome, *about, detail)

        applicant = client.applicant(f"account:{account_id}")
        async with self._throttle.entrance.place(applicant):
            await self._throttle.count(buckets, fact("DENIED", reason="THROTTLED"))
        try:
            matched = await self._passwords.matches(current, account.password_hash, applicant)
        except Unavailable:
            await self._throttle.uncount(buckets)
            raise
        if not matched:
            async with self._store.unit_of_work() as session:
                await repository.audit(session, fact("FAILURE"))
            raise ValidationRefusal.at("currentPassword", "This is not the present password.")
        await self._throttle.forgive(buckets)
        await self._throttle.count(self._buckets.credential(account_id), fact("DENIED", reason="TOO_MANY_CHANGES"))
        if await self._passwords.is_breached(new, applicant):
            raise ValidationRefusal.at("newPassword", COMMON)
        new_hash = await self._passwords.hash(new, applicant)
        token = credentials.new_session_token()
        async with self._store.unit_of_work() as session:
            locked = await repository.lock_account(session, account_id)
            if locked is None or locked.password_hash != account.password_hash:
                raise ConflictRefusal("The password was changed at the same time.")
            locked.password_hash = new_hash
            mails.add_notice(session, "password_changed", locked)
            await repository.revoke_other_sessions(session, account_id, caller.session_id)
            await repository.forget_other_devices(session, account_id, client.facts.device_hash)
            keys_ended = 0 if keep_api_keys else await repository.revoke_api_keys(session, account_id)
            expires_at = await repository.rotate_session(session, account_id, caller.session_id, token)
            await repository.audit(session, fact("SUCCESS", api_keys_ended=keys_ended))
        return ChangedPassword(locked, token if expires_at else None, expires_at)
