"""Changes of an account's second factor: an app's codes, and recovery codes for when it is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pyotp
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from shared_schema.links import Keys
from shared_schema.models import Account, RecoveryCode, TotpFactor
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, UnauthenticatedRefusal, ValidationRefusal
from subgraphs.identity import codes, mails, repository
from subgraphs.identity.clients import Client
from subgraphs.identity.freshness import require_proof
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings

ISSUER = "Botberi"
WRONG_CODE = "This code is wrong, or was used already."


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The secret of an app that is being added, and the address that QR codes show; both are shown this once."""

    secret: str
    uri: str


class Factors:
    """Adds and removes second factors, each change with a recent proof; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, keys: Keys) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys

    async def begin_totp(self, client: Client) -> Enrolment:
        """Make a secret for an app; it counts once `confirm_totp` got a code of it. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        secret = pyotp.random_base32(32)
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = await repository.lock_account(session, account_id)
            if account is None:
                raise UnauthenticatedRefusal("The account is gone.")
            if await codes.confirmed_factor(session, account_id) is not None:
                raise ConflictRefusal("Codes of an app are asked for already; end that first.")
            sealed = self._keys.seal(secret.encode())
            added = insert(TotpFactor).values(account_id=account_id, secret=sealed)
            again = {"secret": sealed, "last_step": 0, "created_at": datetime.now(UTC)}
            await session.execute(added.on_conflict_do_update(index_elements=["account_id"], set_=again))
        uri = pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)
        return Enrolment(secret, uri)

    async def confirm_totp(self, client: Client, code: str) -> list[str]:
        """Ask for codes of the app from now on; the recovery codes. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = await repository.lock_account(session, account_id)
            factor = await session.scalar(
                select(TotpFactor).where(TotpFactor.account_id == account_id, TotpFactor.confirmed_at.is_(None))
            )
            if account is None or factor is None:
                raise ConflictRefusal("No app is being added; begin with `beginTotp`.")
            if not codes.accept(self._keys, factor, code):
                raise ValidationRefusal.at("code", WRONG_CODE)
            factor.confirmed_at = datetime.now(UTC)
            fresh = await codes.renew_recovery(session, account_id)
            mails.add_notice(session, "security", account, change="totp_on")
            await repository.audit(session, _fact(client, "factor.totp_on", account))
        return fresh

    async def end_totp(self, client: Client) -> Account:
        """Ask for no codes any more; recovery codes end with the app. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = await repository.lock_account(session, account_id)
            if account is None or await codes.confirmed_factor(session, account_id) is None:
                raise ConflictRefusal("No codes of an app are asked for.")
            for model in (TotpFactor, RecoveryCode):
                await session.execute(delete(model).where(model.account_id == account_id))
            mails.add_notice(session, "security", account, change="totp_off")
            await repository.audit(session, _fact(client, "factor.totp_off", account))
        return account

    async def renew_recovery_codes(self, client: Client) -> list[str]:
        """New recovery codes; the former ones are worth nothing. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = await repository.lock_account(session, account_id)
            if account is None or await codes.confirmed_factor(session, account_id) is None:
                raise ConflictRefusal("Recovery codes stand in for an app's; add one first.")
            fresh = await codes.renew_recovery(session, account_id)
            mails.add_notice(session, "security", account, change="recovery_codes")
            await repository.audit(session, _fact(client, "factor.recovery_codes", account))
        return fresh


def _fact(client: Client, action: str, account: Account) -> AuditFact:
    return AuditFact(action, "SUCCESS", client, account.id, client.caller.session_id, "Account", account.id)
