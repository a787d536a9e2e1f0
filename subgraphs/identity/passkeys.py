"""Passkeys (WebAuthn): added by a signed-in owner, then sign-in without a password, or proof that it is they.

Each use verifies the person (a PIN, a finger, a face), so a passkey is two factors by itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.base64url_to_bytes import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from shared_schema.links import Keys
from shared_schema.models import Account, Passkey
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import (
    ConflictRefusal,
    ForbiddenRefusal,
    NotFoundRefusal,
    UnauthenticatedRefusal,
    ValidationRefusal,
)
from subgraphs.identity import challenges, mails, repository
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.display_names import name_problems, normalised_name
from subgraphs.identity.freshness import require_proof
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle

MAX_PASSKEYS = 20
#: Bytes of JSON that a browser's answer may have; those with the longest keys have some 3,000.
MAX_CREDENTIAL = 32_768
REGISTER, SIGN_IN = "passkey-register", "passkey-sign-in"
REFUSED = "The passkey was not accepted."
_RP_NAME = "Botberi"


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What the browser needs (`navigator.credentials`), and the name under which its answer comes back."""

    challenge: str
    options: dict[str, Any]


class Passkeys:
    """Registers passkeys and checks their answers; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, keys: Keys, throttle: Throttle) -> None:
        self._throttle = throttle
        self._buckets = Buckets(settings)
        self._store = store
        self._settings = settings
        self._keys = keys

    async def begin_registration(self, client: Client) -> Ceremony:
        """What a browser needs to make a passkey for the caller's account. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        rp_id, _ = self._party()
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = (await repository.accounts_by_id(session, [account_id])).get(account_id)
            if account is None:
                raise UnauthenticatedRefusal("The account is gone.")
            known = await repository.passkeys_of(session, account_id)
            if len(known) >= MAX_PASSKEYS:
                raise ConflictRefusal(f"An account may have {MAX_PASSKEYS} passkeys; remove one first.")
            options = webauthn.generate_registration_options(
                rp_id=rp_id,
                rp_name=_RP_NAME,
                user_name=account.email,
                user_id=account_id.bytes,
                user_display_name=account.display_name,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
                ),
                exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
            )
            expected = bytes_to_base64url(options.challenge)
            name = await challenges.begin(session, self._keys, REGISTER, account_id, expected=expected)
        return Ceremony(name, json.loads(webauthn.options_to_json(options)))

    async def register(self, client: Client, challenge: str, credential: Any, name: str) -> Passkey:
        """Keep the passkey that a browser made. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        cleaned = normalised_name(name)
        if problems := name_problems("name", cleaned):
            raise ValidationRefusal(problems)
        answer = _bounded(credential)
        rp_id, origin = self._party()
        try:
            async with self._store.unit_of_work() as session:
                step = await challenges.take(session, self._keys, REGISTER, challenge)
                if step.account_id != account_id:
                    raise ValidationRefusal.at("challenge", challenges.ENDED)
                try:
                    verified = webauthn.verify_registration_response(
                        credential=answer,
                        expected_challenge=base64url_to_bytes(step.data["expected"]),
                        expected_rp_id=rp_id,
                        expected_origin=origin,
                        require_user_verification=True,
                    )
                except (WebAuthnException, ValueError, TypeError, KeyError) as problem:
                    raise ValidationRefusal.at("credential", REFUSED) from problem
                account = await repository.lock_account(session, account_id)
                if account is None:
                    raise UnauthenticatedRefusal("The account is gone.")
                if len(await repository.passkeys_of(session, account_id)) >= MAX_PASSKEYS:
                    raise ConflictRefusal(f"An account may have {MAX_PASSKEYS} passkeys; remove one first.")
                row = Passkey(
                    account_id=account_id,
                    name=cleaned,
                    credential_id=verified.credential_id,
                    public_key=verified.credential_public_key,
                    sign_count=verified.sign_count,
                    is_backed_up=verified.credential_backed_up,
                )
                session.add(row)
                await session.flush()
                mails.add_notice(session, "security", account, change="passkey_added")
                await repository.audit(session, _fact(client, "passkey.add", account_id, row.id))
            return row
        except IntegrityError as problem:
            if "uq_passkeys_credential_id" not in str(problem.orig):
                raise
            raise ConflictRefusal("This passkey is known already.") from None

    async def begin_sign_in(self, client: Client) -> Ceremony:
        """What a browser needs to sign in with any passkey that it has for this site. Raises a `Refusal`."""
        rp_id, _ = self._party()
        denied = AuditFact("session.login", "DENIED", client, detail={"reason": "THROTTLED"})
        # Each is a row for some minutes.
        await self._throttle.count(self._buckets.passkey_challenge(client), denied)
        options = webauthn.generate_authentication_options(
            rp_id=rp_id, user_verification=UserVerificationRequirement.REQUIRED
        )
        async with self._store.unit_of_work() as session:
            expected = bytes_to_base64url(options.challenge)
            name = await challenges.begin(session, self._keys, SIGN_IN, expected=expected)
        return Ceremony(name, json.loads(webauthn.options_to_json(options)))

    async def check(self, session: AsyncSession, challenge: str, credential: Any) -> Passkey:
        """The passkey whose answer this is, noted as used. Raises a `Refusal`."""
        answer = _bounded(credential)
        rp_id, origin = self._party()
        step = await challenges.take(session, self._keys, SIGN_IN, challenge)
        try:
            parsed = parse_authentication_credential_json(answer)
            row = await session.scalar(select(Passkey).where(Passkey.credential_id == parsed.raw_id).with_for_update())
            if row is None:
                raise UnauthenticatedRefusal(REFUSED)
            verified = webauthn.verify_authentication_response(
                credential=parsed,
                expected_challenge=base64url_to_bytes(step.data["expected"]),
                expected_rp_id=rp_id,
                expected_origin=origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as problem:
            raise UnauthenticatedRefusal(REFUSED) from problem
        if parsed.response.user_handle not in (None, row.account_id.bytes):
            raise UnauthenticatedRefusal(REFUSED)
        row.sign_count = verified.new_sign_count
        row.is_backed_up = verified.credential_backed_up
        row.last_used_at = datetime.now(UTC)
        return row

    async def rename(self, client: Client, passkey_id: UUID, name: str) -> Passkey:
        """Call a passkey otherwise. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        cleaned = normalised_name(name)
        if problems := name_problems("name", cleaned):
            raise ValidationRefusal(problems)
        async with self._store.unit_of_work() as session:
            row = await _own(session, account_id, passkey_id)
            row.name = cleaned
            await repository.audit(session, _fact(client, "passkey.rename", account_id, row.id))
        return row

    async def remove(self, client: Client, passkey_id: UUID) -> Account:
        """Accept a passkey no more. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = await repository.lock_account(session, account_id)
            if account is None:
                raise UnauthenticatedRefusal("The account is gone.")
            row = await _own(session, account_id, passkey_id)
            await session.execute(delete(Passkey).where(Passkey.id == row.id))
            mails.add_notice(session, "security", account, change="passkey_removed")
            await repository.audit(session, _fact(client, "passkey.remove", account_id, passkey_id))
        return account

    def _party(self) -> tuple[str, str]:
        """The relying party's id (a host name) and the origin that browsers say they are at."""
        parts = urlsplit(self._settings.public_url)
        if not parts.hostname:
            raise ForbiddenRefusal("Passkeys need the platform's public address: BOTBERI_PUBLIC_URL is not set.")
        return parts.hostname, f"{parts.scheme}://{parts.netloc}"


async def _own(session: AsyncSession, account_id: UUID, passkey_id: UUID) -> Passkey:
    statement = select(Passkey).where(Passkey.id == passkey_id, Passkey.account_id == account_id)
    row = (await session.scalars(statement.with_for_update())).one_or_none()
    if row is None:
        raise NotFoundRefusal("There is no such passkey.")
    return row


def _bounded(credential: Any) -> dict[str, Any]:
    if not isinstance(credential, dict) or len(json.dumps(credential)) > MAX_CREDENTIAL:
        raise ValidationRefusal.at("credential", REFUSED)
    return credential


def _fact(client: Client, action: str, account_id: UUID, passkey_id: UUID) -> AuditFact:
    return AuditFact(action, "SUCCESS", client, account_id, client.caller.session_id, "Passkey", passkey_id)
