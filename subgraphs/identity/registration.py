"""How accounts begin: by a registration whose address is confirmed by mail, or by an invitation."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.links import Keys
from shared_schema.models import Account, Mail
from subgraphs.common.caller import Role, Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, ForbiddenRefusal, ValidationRefusal
from subgraphs.identity import mails, repository, validation
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.passwords import COMMON, Passwords
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle
from subgraphs.identity.validation import Registration

TAKEN = "An account with this address exists already."


class Registrations:
    """Makes accounts; one for the process."""

    def __init__(
        self, store: Store, settings: IdentitySettings, keys: Keys, passwords: Passwords, throttle: Throttle
    ) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys
        self._passwords = passwords
        self._throttle = throttle
        self._buckets = Buckets(settings)

    async def register(
        self,
        client: Client,
        email: str,
        password: str,
        display_name: str,
        *,
        invitation: str | None = None,
        language: str | None = None,
    ) -> Account | None:
        """Begin an account with the role user; None where its address has to be confirmed first.

        Then nothing says whether the address has an account already: the same is done and answered, and the mail says
        it. Raises a `Refusal`, or `Unavailable` when too many wait.
        """
        if invitation is None and not self._settings.registration_open:
            raise ForbiddenRefusal("Registration is closed here; ask an admin for an invitation.")
        checked = validation.registration(email, password, display_name, self._settings.reserved_names)
        denied = AuditFact("account.register", "DENIED", client, detail={"reason": "THROTTLED"})
        applicant = client.applicant(client.session)
        async with self._throttle.entrance.place(applicant):
            await self._throttle.count(self._buckets.registration(client, checked.email), denied)
        if await self._passwords.is_breached(checked.password, applicant):
            raise ValidationRefusal.at("password", COMMON)
        password_hash = await self._passwords.hash(checked.password, applicant)
        language = mails.language_of(self._settings, language)
        if invitation is None and self._settings.registration_confirmed:
            await self._ask_for_confirmation(client, checked, password_hash, language)
            return None
        try:
            async with self._store.unit_of_work() as session:
                verified_at = await self._accept(session, invitation, checked.email)
                account = Account(
                    email=checked.email,
                    display_name=checked.display_name,
                    password_hash=password_hash,
                    language=language,
                    email_verified_at=verified_at,
                )
                await _add(session, account, client)
            return account
        except IntegrityError as problem:
            raise taken(problem) from None

    async def confirm(self, client: Client, token: str) -> Account:
        """Make the account of a registration whose address the link proves. Raises a `Refusal`."""
        try:
            async with self._store.unit_of_work() as session:
                mail = await mails.read_link(session, self._keys, token, "registration", lock=True)
                account = Account(
                    email=mail.recipient,
                    display_name=mail.data["display_name"],
                    password_hash=mail.password_hash,
                    language=mail.language,
                    email_verified_at=datetime.now(UTC),
                )
                _use(mail)
                await _add(session, account, client)
            return account
        except IntegrityError as problem:
            # The holder of the link reads this address' mail, so it is no secret from them.
            raise taken(problem) from None

    async def invite(self, client: Client, email: str, language: str | None) -> None:
        """Send an invitation, which opens registration for its address. Raises a `Refusal`."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        allowed = self._settings.invitations
        if allowed == "off" or (allowed == "admins" and client.caller.role is not Role.ADMIN):
            raise ForbiddenRefusal("You may not invite people here.")
        address = validation.address("email", email)
        denied = AuditFact("account.invite", "DENIED", client, account_id, detail={"reason": "THROTTLED"})
        await self._throttle.count(self._buckets.mail(client, address), denied)
        async with self._store.unit_of_work() as session:
            seconds = self._settings.invitation_link_seconds
            text = mails.language_of(self._settings, language)
            mail = mails.add_link(session, "invitation", address, seconds, language=text)
            await session.flush()
            fact = AuditFact("account.invite", "SUCCESS", client, account_id, client.caller.session_id, "Mail", mail.id)
            await repository.audit(session, fact)

    async def _ask_for_confirmation(
        self, client: Client, checked: Registration, password_hash: str, language: str
    ) -> None:
        async with self._store.unit_of_work() as session:
            mails.add_link(
                session,
                "registration",
                checked.email,
                self._settings.registration_link_seconds,
                language=language,
                password_hash=password_hash,
                display_name=checked.display_name,
            )
            await repository.audit(session, AuditFact("account.request_registration", "SUCCESS", client))

    async def _accept(self, session: AsyncSession, invitation: str | None, email: str) -> datetime | None:
        if invitation is None:
            return None
        mail = await mails.read_link(session, self._keys, invitation, "invitation", lock=True)
        if mail.recipient != email:
            raise ValidationRefusal.at("email", "The invitation is for another address.")
        _use(mail)
        return datetime.now(UTC)


async def _add(session: AsyncSession, account: Account, client: Client) -> None:
    session.add(account)
    await session.flush()
    fact = AuditFact("account.register", "SUCCESS", client, account.id, None, "Account", account.id)
    await repository.audit(session, fact)


def _use(mail: Mail) -> None:
    mail.used_at = datetime.now(UTC)
    # The account has it now.
    mail.password_hash = None


def taken(problem: IntegrityError) -> Exception:
    """What the database's refusal means: an address that has an account, or the refusal itself."""
    return ConflictRefusal(TAKEN) if "uq_accounts_email" in str(problem.orig) else problem
