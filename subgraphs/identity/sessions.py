"""Changes of sessions: they begin with a sign-in, follow one another in a browser, and end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.links import Keys
from shared_schema.models import Account, AccountSession
from subgraphs.common.caller import Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import NotFoundRefusal, UnauthenticatedRefusal, Unavailable
from subgraphs.identity import challenges, codes, credentials, mails, repository, validation
from subgraphs.identity.buckets import Buckets
from subgraphs.identity.clients import Client
from subgraphs.identity.factors import WRONG_CODE
from subgraphs.identity.passkeys import Passkeys
from subgraphs.identity.passwords import Passwords
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle

NIL = UUID(int=0)
SECOND_FACTOR = "second-factor"
WRONG_CREDENTIALS = "The address or the password is wrong."


@dataclass(frozen=True, slots=True)
class SignIn:
    """A new session: its account, and the tokens that only the client keeps (None for a device that has one)."""

    account: Account
    token: str
    expires_at: datetime
    device_token: str | None


@dataclass(frozen=True, slots=True)
class SecondStep:
    """A sign-in whose password was right, and that waits for a code under this name."""

    challenge: str


class Sessions:
    """Signs in and out; one for the process."""

    def __init__(
        self,
        store: Store,
        settings: IdentitySettings,
        keys: Keys,
        passwords: Passwords,
        throttle: Throttle,
        passkeys: Passkeys,
    ) -> None:
        self._keys = keys
        self._passkeys = passkeys
        self._store = store
        self._settings = settings
        self._passwords = passwords
        self._throttle = throttle
        self._buckets = Buckets(settings)

    async def login(self, client: Client, email: str, password: str) -> SignIn | SecondStep:
        """Sign in, or ask for the second factor.

        An unknown address, a wrong password and a disabled account answer alike, equally late.

        Raises a `Refusal`, or `Unavailable` when too many wait.
        """
        address = validation.sign_in_address(email)
        async with self._throttle.entrance.place(client.applicant(client.session)):
            async with self._store.read() as session:
                account = await repository.account_by_email(session, address)
            known_as = await self._known_as(client, account)
            buckets = self._buckets.sign_in(address, client, known_as)
            account_id = account.id if account else None

            def unsuccessful(outcome: str, **detail: object) -> AuditFact:
                return AuditFact("session.login", outcome, client, None, None, "Account", account_id, detail)

            await self._throttle.count(buckets, unsuccessful("DENIED", reason="THROTTLED"))
        applicant = client.applicant(known_as)
        try:
            matched = await self._passwords.matches(password, account.password_hash if account else None, applicant)
        except Unavailable:
            await self._throttle.uncount(buckets)
            raise
        if account is None or not matched or account.disabled_at is not None:
            async with self._store.unit_of_work() as session:
                await repository.audit(session, unsuccessful("FAILURE"))
            raise UnauthenticatedRefusal(WRONG_CREDENTIALS).recorded()
        await self._throttle.forgive(buckets)
        await self._throttle.count(
            self._buckets.credential(account.id), unsuccessful("DENIED", reason="TOO_MANY_SESSIONS")
        )
        new_hash = None
        if self._passwords.is_outdated(account.password_hash):
            new_hash = await self._passwords.hash(password, applicant)
        return await self.begin_or_ask(account.id, client, new_hash)

    async def complete(self, client: Client, challenge: str, code: str) -> SignIn:
        """The second step of a sign-in: a code of the account's app, or a recovery code. Raises a `Refusal`.

        A wrong code leaves the step open until it ends; codes are counted by account, as passwords are.
        """
        async with self._store.read() as session:
            step = await challenges.look(session, self._keys, SECOND_FACTOR, challenge)
        account_id = step.account_id
        assert account_id is not None
        buckets = self._buckets.second_factor(account_id)

        def unsuccessful(outcome: str, **detail: object) -> AuditFact:
            return AuditFact("session.second_factor", outcome, client, None, None, "Account", account_id, detail)

        await self._throttle.count(buckets, unsuccessful("DENIED", reason="THROTTLED"))
        accepted: str | None = None
        async with self._store.unit_of_work() as session:
            factor = await codes.confirmed_factor(session, account_id, lock=True)
            if factor is not None and codes.accept(self._keys, factor, code):
                accepted = "TOTP"
            elif factor is not None and await codes.accept_recovery(session, account_id, code):
                accepted = "RECOVERY_CODE"
                account = await repository.lock_account(session, account_id)
                if account is not None:
                    mails.add_notice(session, "security", account, change="recovery_code_used")
            if accepted is not None:
                await challenges.take(session, self._keys, SECOND_FACTOR, challenge)
            fact = unsuccessful("FAILURE") if accepted is None else unsuccessful("SUCCESS", by=accepted)
            await repository.audit(session, fact)
        if accepted is None:
            raise UnauthenticatedRefusal(WRONG_CODE).recorded()
        await self._throttle.forgive(buckets)
        return await self._begin(account_id, client, None)

    async def by_passkey(self, client: Client, challenge: str, credential: object) -> SignIn:
        """Sign in with a passkey alone: something one has, opened by what one knows or is. Raises a `Refusal`."""
        denied = AuditFact("session.login", "DENIED", client, detail={"reason": "THROTTLED"})
        await self._throttle.count(self._buckets.passkey(client), denied)
        async with self._store.unit_of_work() as session:
            passkey = await self._passkeys.check(session, challenge, credential)
        return await self._begin(passkey.account_id, client, None)

    async def begin_or_ask(self, account_id: UUID, client: Client, new_hash: str | None = None) -> SignIn | SecondStep:
        """Begin a session for who has proved to be the account's owner, or ask for its second factor."""
        async with self._store.read() as session:
            factor = await codes.confirmed_factor(session, account_id)
        if factor is None:
            return await self._begin(account_id, client, new_hash)
        async with self._store.unit_of_work() as session:
            if new_hash is not None:
                account = await repository.lock_account(session, account_id)
                if account is not None:
                    account.password_hash = new_hash
            return SecondStep(await challenges.begin(session, self._keys, SECOND_FACTOR, account_id))

    async def logout(self, client: Client) -> AccountSession:
        """End the caller's session."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        if client.caller.session_id is None:
            raise UnauthenticatedRefusal("There is no session to end.")
        return await self._end(client, account_id, client.caller.session_id, "session.logout")

    async def revoke(self, client: Client, session_id: UUID) -> AccountSession:
        """End one of the caller's sessions."""
        account_id = client.caller.require(Scope.ACCOUNT_WRITE)
        return await self._end(client, account_id, session_id, "session.revoke")

    async def revoke_all(self, client: Client, *, keep_current: bool) -> int:
        """End the caller's sessions, all or all but the one that calls; how many."""
        caller = client.caller
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        kept = caller.session_id if keep_current else None
        async with self._store.unit_of_work() as session:
            ended = await repository.revoke_other_sessions(session, account_id, kept)
            about = (client, account_id, caller.session_id, "Account", account_id, {"ended": ended})
            await repository.audit(session, AuditFact("session.revoke_all", "SUCCESS", *about))
        return ended

    async def _known_as(self, client: Client, account: Account | None) -> str | None:
        """The name of the session or device by which the account knows the client, or None."""
        if account is not None and (own_session := client.session_of(account.id)):
            return own_session
        if client.facts.device_hash is None:
            return None
        # Asked for an unknown address as well: how long an answer takes says nothing of who has an account.
        account_id = account.id if account else NIL
        async with self._store.read() as session:
            known = await repository.device_belongs_to(session, client.facts.device_hash, account_id)
        return f"device:{client.facts.device_hash.hex()}" if known else None

    async def _begin(self, account_id: UUID, client: Client, new_hash: str | None) -> SignIn:
        token = credentials.new_session_token()
        async with self._store.unit_of_work() as session:
            account = await repository.lock_account(session, account_id)
            if account is None or account.disabled_at is not None or account.deleted_at is not None:
                raise UnauthenticatedRefusal(WRONG_CREDENTIALS)
            if new_hash is not None:
                account.password_hash = new_hash
            await self._end_previous(session, client)
            lifetime = timedelta(seconds=self._settings.session_lifetime_seconds)
            opened = AccountSession(
                account_id=account_id,
                token_hash=credentials.digest(token),
                user_agent=client.facts.user_agent,
                ip_address=client.facts.ip_address,
                expires_at=await repository.database_now(session) + lifetime,
            )
            session.add(opened)
            await session.flush()
            await repository.keep_sessions(session, account_id, self._settings.sessions_per_account)
            device_token = await _note_device(session, account_id, client)
            fact = AuditFact("session.login", "SUCCESS", client, account_id, opened.id, "AccountSession", opened.id)
            await repository.audit(session, fact)
        return SignIn(account, token, opened.expires_at, device_token)

    async def _end_previous(self, session: AsyncSession, client: Client) -> None:
        """End the session with which the sign-in was sent: the browser drops its token for the new one."""
        caller = client.caller
        if caller.session_id is None:
            return
        row = await repository.lock_session(session, caller.session_id)
        if row is None or row.account_id != caller.account_id or row.revoked_at is not None:
            return
        row.revoked_at = await repository.database_now(session)
        fact = AuditFact("session.replace", "SUCCESS", client, caller.account_id, row.id, "AccountSession", row.id)
        await repository.audit(session, fact)

    async def _end(self, client: Client, account_id: UUID, session_id: UUID, action: str) -> AccountSession:
        async with self._store.unit_of_work() as session:
            row = await repository.lock_session(session, session_id)
            if row is None or row.account_id != account_id:
                raise NotFoundRefusal("There is no such session.")
            if row.revoked_at is None:
                row.revoked_at = await repository.database_now(session)
                by = client.caller.session_id
                fact = AuditFact(action, "SUCCESS", client, account_id, by, "AccountSession", row.id)
                await repository.audit(session, fact)
        return row


async def _note_device(session: AsyncSession, account_id: UUID, client: Client) -> str | None:
    """Have the account know the browser. A new token for one that has none, or one that was not made here."""
    known = client.facts.device_hash
    if known is not None and await repository.is_device(session, known):
        await repository.keep_device(session, account_id, known, client)
        return None
    token = credentials.new_device_token()
    await repository.keep_device(session, account_id, credentials.digest(token), client)
    return token
