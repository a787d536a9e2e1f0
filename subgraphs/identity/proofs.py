"""A password, a code or a passkey -> a session that has proved lately that its owner uses it ("step up")."""

from __future__ import annotations

from uuid import UUID

from shared_schema.links import Keys
from shared_schema.models import Account
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import UnauthenticatedRefusal, Unavailable, ValidationRefusal
from subgraphs.identity import codes, repository
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.freshness import note_proof
from subgraphs.identity.passkeys import REFUSED, Passkeys
from subgraphs.identity.passwords import Passwords
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle


class Proofs:
    """Takes proofs; one for the process."""

    def __init__(
        self,
        store: Store,
        settings: IdentitySettings,
        keys: Keys,
        passwords: Passwords,
        throttle: Throttle,
        passkeys: Passkeys,
    ) -> None:
        self._store = store
        self._keys = keys
        self._passwords = passwords
        self._throttle = throttle
        self._passkeys = passkeys
        self._buckets = Buckets(settings)

    async def by_password(self, client: Client, password: str, code: str | None) -> Account:
        """A proof by the password, and a code where the account has an app. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.read() as session:
            account = (await repository.accounts_by_id(session, [account_id])).get(account_id)
        if account is None:
            raise UnauthenticatedRefusal("The account is gone.")
        buckets = self._buckets.change_password(account_id, client)
        applicant = client.applicant(f"account:{account_id}")
        async with self._throttle.entrance.place(applicant):
            await self._throttle.count(buckets, _fact(client, account_id, "DENIED", reason="THROTTLED"))
        try:
            matched = await self._passwords.matches(password, account.password_hash, applicant)
        except Unavailable:
            await self._throttle.uncount(buckets)
            raise
        async with self._store.unit_of_work() as session:
            factor = await codes.confirmed_factor(session, account_id, lock=True)
            if matched and factor is not None:
                matched = codes.accept(self._keys, factor, code or "")
            if matched:
                await note_proof(session, client)
            await repository.audit(session, _fact(client, account_id, "SUCCESS" if matched else "FAILURE"))
        if not matched:
            raise ValidationRefusal.at("password", "This is not the present password, or not the present code.")
        await self._throttle.forgive(buckets)
        return account

    async def by_passkey(self, client: Client, challenge: str, credential: object) -> Account:
        """A proof by one of the account's passkeys. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        denied = _fact(client, account_id, "DENIED", reason="THROTTLED")
        await self._throttle.count(self._buckets.passkey(client), denied)
        async with self._store.unit_of_work() as session:
            passkey = await self._passkeys.check(session, challenge, credential)
            if passkey.account_id != account_id:
                raise UnauthenticatedRefusal(REFUSED)
            await note_proof(session, client)
            await repository.audit(session, _fact(client, account_id, "SUCCESS", by="PASSKEY"))
            return await session.get_one(Account, account_id)


def _fact(client: Client, account_id: UUID, outcome: str, **detail: object) -> AuditFact:
    about = (client, account_id, client.caller.session_id, "Account", account_id, detail)
    return AuditFact("session.proof", outcome, *about)
