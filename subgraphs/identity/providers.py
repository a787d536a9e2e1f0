"""Sign-in at an OpenID Connect provider -> a session here, for an account that was linked to it with a proof."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from shared_schema.links import Keys
from shared_schema.models import Account, ExternalIdentity
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import (
    ConflictRefusal,
    ForbiddenRefusal,
    NotFoundRefusal,
    UnauthenticatedRefusal,
    ValidationRefusal,
)
from subgraphs.identity import challenges, mails, repository, validation
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.display_names import display_name_problems, normalised_name
from subgraphs.identity.freshness import require_proof
from subgraphs.identity.oidc import OpenIdClient, Person, ProviderRefused
from subgraphs.identity.passwords import Passwords
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.sessions import SecondStep, Sessions, SignIn
from subgraphs.identity.settings import IdentitySettings, Provider
from subgraphs.identity.throttle import Throttle

FLOW = "provider"
REFUSED = "The provider's answer was not accepted. Begin again."
NOT_LINKED = "No account is linked to this sign-in. Sign in, and link it there first."


@dataclass(frozen=True, slots=True)
class Begun:
    """The provider's page, and the name by which this browser alone ends the sign-in."""

    url: str
    flow: str


class Providers:
    """Signs in by providers, links and unlinks them; one for the process."""

    def __init__(
        self,
        store: Store,
        settings: IdentitySettings,
        keys: Keys,
        passwords: Passwords,
        throttle: Throttle,
        sessions: Sessions,
    ) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys
        self._passwords = passwords
        self._throttle = throttle
        self._sessions = sessions
        self._buckets = Buckets(settings)
        self._client = OpenIdClient(f"{settings.public_url.rstrip('/')}/account/provider")
        self._by_id: Mapping[str, Provider] = {provider.id: provider for provider in settings.oidc_providers}

    async def begin(self, client: Client, provider_id: str, *, link: bool) -> Begun:
        """Begin a sign-in, or the linking of a provider to the caller's account. Raises a `Refusal`."""
        provider = self._by_id.get(provider_id)
        if provider is None:
            raise NotFoundRefusal("There is no such provider.")
        if not self._settings.public_url:
            raise ForbiddenRefusal("Providers need the platform's public address: BOTBERI_PUBLIC_URL is not set.")
        account_id = client.caller.require(Scope.ACCOUNT_WRITE) if link else None
        await self._throttle.count(self._buckets.passkey_challenge(client), self._denied(client))
        request = await self._client.begin(provider)
        async with self._store.unit_of_work() as session:
            if link:
                await require_proof(session, self._settings, client)
            flow = await challenges.begin(
                session,
                self._keys,
                FLOW,
                account_id,
                provider=provider.id,
                state=request.state,
                nonce=request.nonce,
                # It is of use only together with the code, which the provider gives to this browser.
                verifier=request.verifier,
            )
        return Begun(request.url, flow)

    async def finish(
        self, client: Client, flow: str, code: str, state: str, issuer: str | None
    ) -> SignIn | SecondStep | Account:
        """Sign in by the provider's answer; the account, where a provider was linked to it. Raises a `Refusal`."""
        await self._throttle.count(self._buckets.passkey(client), self._denied(client))
        async with self._store.unit_of_work() as session:
            step = await challenges.take(session, self._keys, FLOW, flow)
        provider = self._by_id.get(step.data["provider"])
        same_state = secrets.compare_digest(state.encode(), step.data["state"].encode())
        if provider is None or not same_state or issuer not in (None, provider.issuer):
            raise UnauthenticatedRefusal(REFUSED)
        if step.account_id is not None and step.account_id != client.caller.account_id:
            raise UnauthenticatedRefusal(REFUSED)
        try:
            person = await self._client.finish(provider, code, step.data["nonce"], step.data["verifier"])
        except ProviderRefused as refused:
            async with self._store.unit_of_work() as session:
                detail = {"provider": provider.id, "reason": str(refused)}
                await repository.audit(session, AuditFact("session.provider", "FAILURE", client, detail=detail))
            raise UnauthenticatedRefusal(REFUSED).recorded() from refused
        if step.account_id is not None:
            return await self._link(client, step.account_id, person)
        account_id = await self._linked(person) or await self._make(client, person)
        return await self._sessions.begin_or_ask(account_id, client)

    async def unlink(self, client: Client, identity_id: UUID) -> Account:
        """Accept a linked provider no more. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            await require_proof(session, self._settings, client)
            account = await repository.lock_account(session, account_id)
            own = delete(ExternalIdentity).where(
                ExternalIdentity.id == identity_id, ExternalIdentity.account_id == account_id
            )
            gone = (await session.scalars(own.returning(ExternalIdentity.id))).one_or_none()
            if account is None or gone is None:
                raise NotFoundRefusal("No such provider is linked.")
            mails.add_notice(session, "security", account, change="provider_unlinked")
            await repository.audit(session, _fact(client, "provider.unlink", account_id, identity_id))
        return account

    async def _linked(self, person: Person) -> UUID | None:
        async with self._store.unit_of_work() as session:
            used = update(ExternalIdentity).where(
                ExternalIdentity.issuer == person.issuer, ExternalIdentity.subject == person.subject
            )
            values = used.values(last_used_at=datetime.now(UTC)).returning(ExternalIdentity.account_id)
            return (await session.scalars(values)).one_or_none()

    async def _link(self, client: Client, account_id: UUID, person: Person) -> Account:
        try:
            async with self._store.unit_of_work() as session:
                account = await repository.lock_account(session, account_id)
                if account is None:
                    raise UnauthenticatedRefusal("The account is gone.")
                row = ExternalIdentity(account_id=account_id, issuer=person.issuer, subject=person.subject)
                session.add(row)
                await session.flush()
                mails.add_notice(session, "security", account, change="provider_linked")
                await repository.audit(session, _fact(client, "provider.link", account_id, row.id))
            return account
        except IntegrityError as problem:
            raise _taken(problem) from None

    async def _make(self, client: Client, person: Person) -> UUID:
        """A new account, where people may make one and the provider has proved the address; never one that exists.

        An address alone links nothing: an account that has it is signed in to first, and then linked.
        """
        if not self._settings.registration_open or person.email is None:
            raise ForbiddenRefusal(NOT_LINKED)
        try:
            address = validation.address("email", person.email)
        except ValidationRefusal:
            raise ForbiddenRefusal(NOT_LINKED) from None
        name = normalised_name(person.name or "")
        if display_name_problems("name", name, self._settings.reserved_names):
            name = "Newcomer"
        # No one knows it: a password comes by a link, if one is wanted.
        password_hash = await self._passwords.hash(secrets.token_urlsafe(32), client.applicant(client.session))
        try:
            async with self._store.unit_of_work() as session:
                account = Account(
                    email=address,
                    display_name=name,
                    password_hash=password_hash,
                    language=self._settings.language,
                    email_verified_at=datetime.now(UTC),
                )
                session.add(account)
                await session.flush()
                linked = {"issuer": person.issuer, "subject": person.subject, "last_used_at": datetime.now(UTC)}
                session.add(ExternalIdentity(account_id=account.id, **linked))
                fact = AuditFact("account.register", "SUCCESS", client, account.id, None, "Account", account.id)
                await repository.audit(session, fact)
            return account.id
        except IntegrityError as problem:
            if "uq_accounts_email" in str(problem.orig):
                raise ForbiddenRefusal(NOT_LINKED) from None
            raise _taken(problem) from None

    def _denied(self, client: Client) -> AuditFact:
        return AuditFact("session.provider", "DENIED", client, detail={"reason": "THROTTLED"})


def _fact(client: Client, action: str, account_id: UUID, identity_id: UUID) -> AuditFact:
    return AuditFact(action, "SUCCESS", client, account_id, client.caller.session_id, "ExternalIdentity", identity_id)


def _taken(problem: IntegrityError) -> Exception:
    if "uq_external_identities_issuer_subject" in str(problem.orig):
        return ConflictRefusal("This sign-in is linked to an account already.")
    return problem
