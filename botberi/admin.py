"""`botberi admin`: the first admin of a platform, roles and sealed secrets, straight in the database of accounts."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from argon2 import PasswordHasher
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from botberi.run.errors import StartError
from botberi.run.to_end import run_to_end
from shared_schema import audit
from shared_schema.models import Account, AccountSession, AuditEntry, TotpFactor
from shared_schema.states import Role

app = typer.Typer(name="admin", help="Make the first admin, and give roles.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The account's e-mail address.")]


@app.command()
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="The display name.")] = "Admin",
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input; else one is made and shown."),
    ] = False,
) -> None:
    """Make an account with the role admin."""
    run_to_end(lambda: _create(email, name, sys.stdin.readline().rstrip("\n") if password_stdin else None))


@app.command()
def grant(email: Email, role: Annotated[Role, typer.Argument(help="The account's role from now on.")]) -> None:
    """Give an account a role; its sessions end."""
    run_to_end(lambda: _grant(email, role))


@app.command()
def reseal() -> None:
    """Encrypt second factors with the first of BOTBERI_IDENTITY_SECRET's secrets, so that the others can go."""
    run_to_end(_reseal)


async def _reseal() -> None:
    from subgraphs.identity.settings import IdentitySettings

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


async def _create(email: str, name: str, password: str | None) -> None:
    from subgraphs.common.errors import ValidationRefusal
    from subgraphs.identity import validation
    from subgraphs.identity.breached_passwords import is_breached
    from subgraphs.identity.passwords import COMMON, normalised
    from subgraphs.identity.settings import IdentitySettings

    chosen = password or secrets.token_urlsafe(18)
    try:
        # The platform's own people may have the names that others may not.
        checked = validation.registration(email, chosen, name, reserved=())
    except ValidationRefusal as refusal:
        raise StartError("; ".join(f"{problem.path[0]}: {problem.message}" for problem in refusal.problems)) from None
    if password is not None and await asyncio.to_thread(is_breached, normalised(password)):
        raise StartError(COMMON)
    settings = IdentitySettings()
    hasher = PasswordHasher(
        time_cost=settings.password_time_cost,
        memory_cost=settings.password_memory_kib,
        parallelism=settings.password_parallelism,
    )
    password_hash = await asyncio.to_thread(hasher.hash, normalised(chosen))

    async def add(session: AsyncSession) -> None:
        if await _account(session, checked.email) is not None:
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


async def _grant(email: str, role: Role) -> None:
    from subgraphs.identity import validation

    async def give(session: AsyncSession) -> None:
        account = await _account(session, validation.sign_in_address(email))
        if account is None:
            raise StartError(f"There is no account with the address {email}.")
        former, account.role = account.role, role
        if former is role:
            return
        own = AccountSession.account_id == account.id
        ended = update(AccountSession).where(own, AccountSession.revoked_at.is_(None))
        await session.execute(ended.values(revoked_at=func.now()))
        _note(session, "account.set_role", account.id, role=role.value, former=former.value)

    await _in_accounts(give)
    print(f"{email} has the role {role.value}.")


async def _account(session: AsyncSession, email: str) -> Account | None:
    living = select(Account).where(func.lower(Account.email) == email, Account.deleted_at.is_(None))
    return await session.scalar(living.with_for_update())


def _note(session: AsyncSession, action: str, account_id: UUID, **detail: str) -> None:
    about = {"object_type": "Account", "object_id": account_id, "detail": detail}
    audit.write(session, AuditEntry(source="botberi admin", action=action, outcome="SUCCESS", **about))


async def _in_accounts(work: Callable[[AsyncSession], Awaitable[None]]) -> None:
    """Do it in one transaction on `user_psql`, the one in the settings or that of the running platform."""
    from botberi.databases import database_urls
    from botberi.settings import SeedSettings
    from shared_schema.database import Database, PoolOptions

    settings = SeedSettings()
    url = settings.user_database_url or database_urls(settings)["user_psql"]
    database = Database(url, PoolOptions(pool_size=1, max_overflow=0, application_name="botberi-admin"))
    try:
        async with database.unit_of_work() as session:
            await work(session)
    finally:
        await database.aclose()
