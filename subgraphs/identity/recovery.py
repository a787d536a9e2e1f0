"""A lost password -> a link by mail -> a new password; nothing says whether an address has an account."""

from __future__ import annotations

from datetime import UTC, datetime

from shared_schema.links import Keys
from shared_schema.models import Account
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, ValidationRefusal
from subgraphs.identity import mails, repository, validation
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.passwords import COMMON, Passwords, weakness
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle


class Recovery:
    """Gives accounts back to their owners; one for the process."""

    def __init__(
        self, store: Store, settings: IdentitySettings, keys: Keys, passwords: Passwords, throttle: Throttle
    ) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys
        self._passwords = passwords
        self._throttle = throttle
        self._buckets = Buckets(settings)

    async def request(self, client: Client, email: str) -> None:
        """Have a link sent, if the address has an account: the worker looks that up. Raises a `Refusal`."""
        address = validation.address("email", email)
        denied = AuditFact("account.request_reset", "DENIED", client, detail={"reason": "THROTTLED"})
        async with self._throttle.entrance.place(client.applicant(client.session)):
            await self._throttle.count(self._buckets.mail(client, address), denied)
            async with self._store.unit_of_work() as session:
                seconds = self._settings.reset_link_seconds
                mails.add_link(session, "reset", address, seconds, language=self._settings.language)
                await repository.audit(session, AuditFact("account.request_reset", "SUCCESS", client))

    async def reset(self, client: Client, token: str, password: str) -> Account:
        """Give the link's account a new password; all its sessions, keys and known devices end.

        A second factor stays what it was. Raises a `Refusal`, or `Unavailable` when too many wait.
        """
        async with self._store.read() as session:
            mail = await mails.read_link(session, self._keys, token, "reset")
            # The worker wrote whose it is, as it sent the mail.
            account = await session.get(Account, mail.account_id) if mail.account_id else None
        if account is None or account.disabled_at is not None or account.deleted_at is not None:
            raise ValidationRefusal.at("token", mails.LINK_ENDED)
        if weak := weakness(password, account.email, account.display_name):
            raise ValidationRefusal.at("newPassword", weak)
        applicant = client.applicant(f"account:{account.id}")
        if await self._passwords.is_breached(password, applicant):
            raise ValidationRefusal.at("newPassword", COMMON)
        password_hash = await self._passwords.hash(password, applicant)
        async with self._store.unit_of_work() as session:
            # Again, and locked: of two that use the link at once one comes too late.
            await mails.read_link(session, self._keys, token, "reset", lock=True)
            locked = await repository.lock_account(session, account.id)
            if locked is None or locked.email != mail.recipient:
                raise ConflictRefusal("The account was changed at the same time.")
            locked.password_hash = password_hash
            locked.email_verified_at = locked.email_verified_at or datetime.now(UTC)
            await mails.use_up(session, account.id, "reset")
            await repository.revoke_other_sessions(session, account.id, None)
            await repository.forget_other_devices(session, account.id, None)
            keys_ended = await repository.revoke_api_keys(session, account.id)
            mails.add_notice(session, "password_changed", locked)
            detail = {"api_keys_ended": keys_ended}
            fact = AuditFact("account.reset_password", "SUCCESS", client, None, None, "Account", account.id, detail)
            await repository.audit(session, fact)
        return locked
