"""A new e-mail address for an account: named by its owner, confirmed by a link, announced to both addresses."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError

from shared_schema.links import Keys
from shared_schema.models import Account
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import UnauthenticatedRefusal, ValidationRefusal
from subgraphs.identity import mails, repository, validation
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.freshness import require_proof
from subgraphs.identity.registration import taken
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle


class Addresses:
    """Changes addresses; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, keys: Keys, throttle: Throttle) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys
        self._throttle = throttle
        self._buckets = Buckets(settings)

    async def request(self, client: Client, email: str) -> Account:
        """Send a link to the new address and a notice to the present one. Raises a `Refusal`.

        A new address that has an account gets a mail that says so; the answer is the same.
        """
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        address = validation.address("newEmail", email)
        async with self._store.read() as session:
            await require_proof(session, self._settings, client)
        denied = AuditFact("account.change_email", "DENIED", client, account_id, detail={"reason": "THROTTLED"})
        await self._throttle.count(self._buckets.mail(client, address), denied)
        async with self._store.unit_of_work() as session:
            account = await repository.lock_account(session, account_id)
            if account is None:
                raise UnauthenticatedRefusal("The account is gone.")
            if account.email == address:
                raise ValidationRefusal.at("newEmail", "This is the present address.")
            await mails.use_up(session, account_id, "new_address")
            mails.add_link(
                session,
                "new_address",
                address,
                self._settings.registration_link_seconds,
                language=account.language,
                account_id=account_id,
            )
            mails.add_notice(session, "address_changing", account, address=address)
            about = (client, account_id, client.caller.session_id, "Account", account_id)
            await repository.audit(session, AuditFact("account.change_email", "SUCCESS", *about))
        return account

    async def confirm(self, client: Client, token: str) -> Account:
        """The link's address is the account's from now on. Raises a `Refusal`."""
        try:
            async with self._store.unit_of_work() as session:
                mail = await mails.read_link(session, self._keys, token, "new_address", lock=True)
                account = await repository.lock_account(session, mail.account_id) if mail.account_id else None
                if account is None or account.deleted_at is not None or account.disabled_at is not None:
                    raise ValidationRefusal.at("token", mails.LINK_ENDED)
                former = account.email
                account.email = mail.recipient
                account.email_verified_at = datetime.now(UTC)
                # Links that went to the former address open nothing any more.
                await mails.use_up(session, account.id, "new_address", "reset")
                mails.add_notice(session, "address_changed", account, recipient=former, address=mail.recipient)
                fact = AuditFact("account.email_changed", "SUCCESS", client, None, None, "Account", account.id)
                await repository.audit(session, fact)
            return account
        except IntegrityError as problem:
            raise taken(problem) from None
