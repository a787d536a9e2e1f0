"""The work of `botberi admin`, straight in the database of accounts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from botberi.databases import database_urls
from botberi.run.errors import StartError
from botberi.settings import SeedSettings
from shared_schema import audit
from shared_schema.database import Database, PoolOptions
from shared_schema.models import Account, AuditEntry, TotpFactor
from shared_schema.states import Role
from subgraphs.common.errors import ValidationRefusal
from subgraphs.identity import repository, validation
from subgraphs.identity.breached_passwords import is_breached
from subgraphs.identity.passwords import COMMON, hasher, normalised
from subgraphs.identity.settings import IdentitySettings


async def reseal() -> None:
    """Encrypt second factors with the first of the secrets. Raises `StartError` where one can be read with none."""
    keys = IdentitySettings().keys()
    counts = {True: 0, False: 0}

    async def seal_again(session: AsyncSession) -> None:
        for factor in await session.scalars(select(TotpFactor).with_for_update()):
            sealed = keys.reseal(factor.secret)
            counts[sealed is not None] += 1
            factor.secret = sealed or factor.secret

    await _in_accounts(seal_again)
    print(f"{counts[True]} second factors are encrypted with the present secret.")
    if counts[False]:
        raise StartError(f"{counts[False]} second factors can be read with none of BOTBERI_IDENTITY_SECRET's secrets.")


async def create(email: str, name: str, password: str | None) -> None:
    """Make an admin; without a password one is made and printed. Raises `StartError`."""
    chosen = password or secrets.token_urlsafe(18)
    try:
        # The platform's own people may have the names that others may not.
        checked = validation.registration(email, chosen, name, reserved=())
    except ValidationRefusal as refusal:
        raise StartError("; ".join(f"{problem.path[0]}: {problem.message}" for problem in refusal.problems)) from None
    if password is not None and await asyncio.to_thread(is_breached, normalised(password)):
        raise StartError(COMMON)
    password_hash = await asyncio.to_thread(hasher(IdentitySettings()).hash, normalised(chosen))

    async def add(session: AsyncSession) -> None:
        if await repository.account_by_email(session, checked.email) is not None:
            raise StartError(f"{checked.email} has an account: botberi admin grant {checked.email} admin")
        account = Account(
            email=checked.email,
            display_name=checked.display_name,
            role=Role.ADMIN,
            password_hash=password_hash,
            email_verified_at=datetime.now(UTC),
        )
        session.add(account)
        await session.flush()
        _note(session, "account.register", account.id, role=Role.ADMIN.value)

    await _in_accounts(add)
    print(f"{checked.email} is an admin.")
    if password is None:
        print(f"Password: {chosen}\nIt is shown this once: sign in and change it.")


async def grant(email: str, role: Role) -> None:
    """Give an account a role; its sessions end. Raises `StartError`."""

    async def give(session: AsyncSession) -> None:
        account = await repository.account_by_email(session, validation.sign_in_address(email), lock=True)
        if account is None:
            raise StartError(f"There is no account with the address {email}.")
        former, account.role = account.role, role
        if former is role:
            return
        await repository.revoke_other_sessions(session, account.id, None)
        _note(session, "account.set_role", account.id, role=role.value, former=former.value)

    await _in_accounts(give)
    print(f"{email} has the role {role.value}.")


def _note(session: AsyncSession, action: str, account_id: UUID, **detail: str) -> None:
    about = {"object_type": "Account", "object_id": account_id, "detail": detail}
    audit.write(session, AuditEntry(source="botberi admin", action=action, outcome="SUCCESS", **about))


async def _in_accounts(work: Callable[[AsyncSession], Awaitable[None]]) -> None:
    """Do it in one transaction on `user_psql`, the one in the settings or that of the running platform."""
    settings = SeedSettings()
    url = settings.user_database_url or database_urls(settings)["user_psql"]
    database = Database(url, PoolOptions(pool_size=1, max_overflow=0, application_name="botberi-admin"))
    try:
        async with database.unit_of_work() as session:
            await work(session)
    finally:
        await database.aclose()
