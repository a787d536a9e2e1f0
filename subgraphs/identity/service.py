"""What may happen to accounts, sessions and keys: the rules, each mutation in one unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from shared_schema.models import Account, AccountSession, ApiKey
from subgraphs.common.caller import Caller, Scope
from subgraphs.common.context import RequestFacts, Store
from subgraphs.common.errors import (
    ConflictRefusal,
    ForbiddenRefusal,
    NotFoundRefusal,
    UnauthenticatedRefusal,
    ValidationRefusal,
)
from subgraphs.identity import credentials, repository, validation
from subgraphs.identity.passwords import Passwords, weakness
from subgraphs.identity.repository import AuditFact
from subgraphs.identity.scopes import grantable
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import SignInGate

WRONG_CREDENTIALS = "The address or the password is wrong."


@dataclass(frozen=True, slots=True)
class SignIn:
    """A new session: its account, and the token that only the client keeps."""

    account: Account
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new API key and its secret, which is shown once."""

    key: ApiKey
    secret: str


class IdentityService:
    """Accounts, sessions and keys; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, passwords: Passwords) -> None:
        self._store = store
        self._settings = settings
        self._passwords = passwords
        self._gate = SignInGate(store, settings)

    async def register(self, email: str, password: str, display_name: str) -> Account:
        """Make an account with the role user."""
        if not self._settings.registration_open:
            raise ForbiddenRefusal("Registration is closed here; ask an admin for an account.")
        wanted = validation.registration(email, password, display_name)
        self._gate.enter()
        password_hash = await self._passwords.hash(wanted.password)
        try:
            async with self._store.unit_of_work() as session:
                account = Account(email=wanted.email, display_name=wanted.display_name, password_hash=password_hash)
                session.add(account)
                await session.flush()
                fact = AuditFact("account.register", "SUCCESS", account.id, None, "Account", account.id)
                await repository.audit(session, fact)
            return account
        except IntegrityError as problem:
            if "uq_accounts_email" not in str(problem.orig):
                raise
            raise ConflictRefusal("An account with this address exists already.") from None

    async def login(self, email: str, password: str, facts: RequestFacts) -> SignIn:
        """Sign in. An unknown address, a wrong password and a disabled account answer alike, equally late."""
        address = validation.sign_in_address(email)
        self._gate.enter()
        await self._gate.attempt(address)
        async with self._store.read() as session:
            account = await repository.account_by_email(session, address)
        matched = await self._passwords.matches(password, account.password_hash if account else None)
        if account is None or not matched or account.disabled_at is not None:
            async with self._store.unit_of_work() as session:
                known = account.id if account else None
                await repository.audit(session, AuditFact("session.login", "FAILURE", None, None, "Account", known))
            raise UnauthenticatedRefusal(WRONG_CREDENTIALS)
        new_hash = None
        if self._passwords.is_outdated(account.password_hash):
            new_hash = await self._passwords.hash(password)
        signed_in = await self._open_session(account.id, facts, new_hash)
        await self._gate.succeeded(address)
        return signed_in

    async def _open_session(self, account_id: UUID, facts: RequestFacts, new_hash: str | None) -> SignIn:
        token = credentials.new_session_token()
        async with self._store.unit_of_work() as session:
            account = await repository.lock_account(session, account_id)
            if account is None or account.disabled_at is not None or account.deleted_at is not None:
                raise UnauthenticatedRefusal(WRONG_CREDENTIALS)
            if new_hash is not None:
                account.password_hash = new_hash
            lifetime = timedelta(seconds=self._settings.session_lifetime_seconds)
            opened = AccountSession(
                account_id=account_id,
                token_hash=credentials.digest(token),
                user_agent=facts.user_agent,
                ip_address=facts.ip_address,
                expires_at=await repository.database_now(session) + lifetime,
            )
            session.add(opened)
            await session.flush()
            await repository.keep_sessions(session, account_id, self._settings.sessions_per_account)
            fact = AuditFact("session.login", "SUCCESS", account_id, opened.id, "AccountSession", opened.id)
            await repository.audit(session, fact)
        return SignIn(account, token, opened.expires_at)

    async def logout(self, caller: Caller) -> AccountSession:
        """End the caller's session."""
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        if caller.session_id is None:
            raise UnauthenticatedRefusal("There is no session to end.")
        return await self._revoke_session(caller, account_id, caller.session_id, "session.logout")

    async def revoke_session(self, caller: Caller, session_id: UUID) -> AccountSession:
        """End one of the caller's sessions."""
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        return await self._revoke_session(caller, account_id, session_id, "session.revoke")

    async def _revoke_session(self, caller: Caller, account_id: UUID, session_id: UUID, action: str) -> AccountSession:
        async with self._store.unit_of_work() as session:
            row = await repository.lock_session(session, session_id)
            if row is None or row.account_id != account_id:
                raise NotFoundRefusal("There is no such session.")
            if row.revoked_at is None:
                row.revoked_at = await repository.database_now(session)
                fact = AuditFact(action, "SUCCESS", account_id, caller.session_id, "AccountSession", row.id)
                await repository.audit(session, fact)
        return row

    async def change_password(self, caller: Caller, current: str, new: str) -> Account:
        """Change the caller's password and end their other sessions."""
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.read() as session:
            account = (await repository.accounts_by_id(session, [account_id])).get(account_id)
        if account is None:
            raise UnauthenticatedRefusal("The account is gone.")
        if weak := weakness(new, account.email, account.display_name):
            raise ValidationRefusal.at("newPassword", weak)
        self._gate.enter()
        await self._gate.attempt(account.email)
        if not await self._passwords.matches(current, account.password_hash):
            raise ValidationRefusal.at("currentPassword", "This is not the present password.")
        new_hash = await self._passwords.hash(new)
        async with self._store.unit_of_work() as session:
            locked = await repository.lock_account(session, account_id)
            if locked is None or locked.password_hash != account.password_hash:
                raise ConflictRefusal("The password was changed at the same time.")
            locked.password_hash = new_hash
            await repository.revoke_other_sessions(session, account_id, caller.session_id)
            fact = AuditFact("account.change_password", "SUCCESS", account_id, caller.session_id, "Account", account_id)
            await repository.audit(session, fact)
        await self._gate.succeeded(account.email)
        return locked

    async def create_api_key(
        self, caller: Caller, name: str, scopes: Sequence[str] | None, expires_at: datetime | None
    ) -> NewKey:
        """Make a key with some of the caller's scopes; None means all that a key may be given."""
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        cleaned = name.strip()
        if scopes is None:
            scopes = sorted(grantable(caller.role) & caller.scopes)
        if problems := validation.api_key_problems(caller, cleaned, scopes, expires_at):
            raise ValidationRefusal(problems)
        secret = credentials.new_api_key()
        async with self._store.unit_of_work() as session:
            # The lock makes the count and the insert one step.
            await repository.lock_account(session, account_id)
            if await repository.live_key_count(session, account_id) >= self._settings.api_keys_per_account:
                most = self._settings.api_keys_per_account
                raise ConflictRefusal(f"An account may have {most} keys; revoke one first.")
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
            fact = AuditFact("api_key.create", "SUCCESS", account_id, caller.session_id, "ApiKey", key.id)
            await repository.audit(session, fact)
        return NewKey(key, secret)

    async def revoke_api_key(self, caller: Caller, key_id: UUID) -> ApiKey:
        """End a key of the caller's."""
        account_id = caller.require(Scope.ACCOUNT_WRITE)
        async with self._store.unit_of_work() as session:
            key = await repository.lock_api_key(session, key_id)
            if key is None or key.account_id != account_id:
                raise NotFoundRefusal("There is no such key.")
            if key.revoked_at is None:
                key.revoked_at = await repository.database_now(session)
                fact = AuditFact("api_key.revoke", "SUCCESS", account_id, caller.session_id, "ApiKey", key.id)
                await repository.audit(session, fact)
        return key
