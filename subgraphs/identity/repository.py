"""Every query of the identity subgraph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, ScalarSelect, Select, Text, and_, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.audit import write as write_audit
from shared_schema.ids import new_id
from shared_schema.models import (
    Account,
    AccountSession,
    ApiKey,
    AuditEntry,
    DataExport,
    ExternalIdentity,
    KnownDevice,
    Passkey,
    ServiceAccount,
    SignInThrottle,
    Workspace,
    WorkspaceMember,
)
from shared_schema.states import Role
from subgraphs.common.pagination import Order, count_all
from subgraphs.identity.clients import Client
from subgraphs.identity.credentials import digest

API_KEYS: Order[ApiKey] = Order("created", ApiKey.created_at, ApiKey.id, descending=True)
ACCOUNTS: Order[Account] = Order("created", Account.created_at, Account.id, descending=True)
SESSIONS: Order[AccountSession] = Order("created", AccountSession.created_at, AccountSession.id, descending=True)

LAST_USE_GRAIN = timedelta(minutes=1)
# Ended sessions say in the database when they ended; the audit log says so for good.
KEPT_AFTER_THE_END = timedelta(days=30)
# So many ended sessions and revoked keys of one account are kept at most.
MAX_ENDED = 500
# A browser is known this long after its last sign-in, and an account knows so many.
DEVICE_KEPT = timedelta(days=180)
MAX_DEVICES = 20


@dataclass(frozen=True, slots=True)
class AuditFact:
    """Content of one entry of the audit log."""

    action: str
    outcome: str
    client: Client
    actor_id: UUID | None = None
    session_id: UUID | None = None
    object_type: str | None = None
    object_id: UUID | None = None
    detail: Mapping[str, Any] | None = None


async def accounts_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Account]:
    """The accounts with these ids, in one query."""
    rows = await session.scalars(select(Account).where(Account.id.in_(ids)))
    return {row.id: row for row in rows}


async def account_by_email(session: AsyncSession, email: str, *, lock: bool = False) -> Account | None:
    """The living account with this (normalised) address."""
    statement = select(Account).where(func.lower(Account.email) == email.lower(), Account.deleted_at.is_(None))
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one_or_none()


def matching_accounts(search: str | None, role: Role | None, is_suspended: bool | None) -> Select[Account]:
    """Accounts that are not closed, and that have everything that is given."""
    statement = select(Account).where(Account.deleted_at.is_(None))
    if search:
        statement = statement.where(
            Account.email.icontains(search, autoescape=True) | Account.display_name.icontains(search, autoescape=True)
        )
    if role is not None:
        statement = statement.where(Account.role == role)
    if is_suspended is not None:
        statement = statement.where(Account.disabled_at.is_not(None) if is_suspended else Account.disabled_at.is_(None))
    return statement


async def identities_of(session: AsyncSession, account_id: UUID) -> list[ExternalIdentity]:
    """The providers that an account is linked to."""
    statement = select(ExternalIdentity).where(ExternalIdentity.account_id == account_id)
    return list(await session.scalars(statement.order_by(ExternalIdentity.created_at)))


async def passkeys_of(session: AsyncSession, account_id: UUID) -> list[Passkey]:
    """An account's passkeys, newest first."""
    statement = select(Passkey).where(Passkey.account_id == account_id)
    return list(await session.scalars(statement.order_by(Passkey.created_at.desc(), Passkey.id.desc())))


async def exports_of(session: AsyncSession, account_id: UUID) -> Sequence[DataExport]:
    """The exports of an account that are being written, or can still be read; newest first."""
    statement = select(DataExport).where(
        DataExport.account_id == account_id, (DataExport.expires_at.is_(None)) | (DataExport.expires_at > func.now())
    )
    return (await session.scalars(statement.order_by(DataExport.created_at.desc(), DataExport.id.desc()))).all()


async def lock_account(session: AsyncSession, account_id: UUID) -> Account | None:
    """The account, locked until the unit of work ends."""
    return await session.get(Account, account_id, with_for_update=True)


def live_api_keys() -> Select[ApiKey]:
    """Keys that were not revoked (those that ran out are shown, so that their owner sees why they fail)."""
    return select(ApiKey).where(ApiKey.revoked_at.is_(None))


def live_sessions(idle: timedelta) -> Select[AccountSession]:
    """Sessions that still sign somebody in: not ended, not run out, not unused for long."""
    return select(AccountSession).where(
        AccountSession.revoked_at.is_(None),
        AccountSession.expires_at > func.now(),
        AccountSession.last_seen_at > func.now() - idle,
    )


async def live_key_count(session: AsyncSession, account_id: UUID) -> int:
    """How many keys of the account were not revoked."""
    return await count_all(session, live_api_keys().where(ApiKey.account_id == account_id))


async def lock_api_key(session: AsyncSession, key_id: UUID) -> ApiKey | None:
    """The key, revoked or not, locked until the unit of work ends."""
    return await session.get(ApiKey, key_id, with_for_update=True)


async def lock_session(session: AsyncSession, session_id: UUID) -> AccountSession | None:
    """The session, revoked or not, locked until the unit of work ends."""
    return await session.get(AccountSession, session_id, with_for_update=True)


async def revoke_other_sessions(session: AsyncSession, account_id: UUID, kept: UUID | None) -> int:
    """End all sessions of an account but one; how many there were."""
    ended = update(AccountSession).where(AccountSession.account_id == account_id, AccountSession.revoked_at.is_(None))
    if kept is not None:
        ended = ended.where(AccountSession.id != kept)
    return len((await session.scalars(ended.values(revoked_at=func.now()).returning(AccountSession.id))).all())


async def rotate_session(
    session: AsyncSession, account_id: UUID, session_id: UUID | None, token: str
) -> datetime | None:
    """Put a session under a new token, so that the old one is worth nothing; when it ends, None if there is no such."""
    if session_id is None:
        return None
    rotated = update(AccountSession).where(
        AccountSession.id == session_id,
        AccountSession.account_id == account_id,
        AccountSession.revoked_at.is_(None),
    )
    values = {"token_hash": digest(token), "last_seen_at": func.now()}
    ends: datetime | None = await session.scalar(rotated.values(values).returning(AccountSession.expires_at))
    return ends


async def keep_sessions(session: AsyncSession, account_id: UUID, max_sessions: int) -> None:
    """End the sessions of an account beyond the `most` last used; forget those that ended long ago, or are too many."""
    unended = select(AccountSession.id).where(
        AccountSession.account_id == account_id,
        AccountSession.revoked_at.is_(None),
        AccountSession.expires_at > func.now(),
    )
    latest_first = (AccountSession.last_seen_at.desc(), AccountSession.id.desc())
    surplus = unended.order_by(*latest_first).offset(max_sessions)
    await session.execute(update(AccountSession).where(AccountSession.id.in_(surplus)).values(revoked_at=func.now()))
    ended = func.least(func.coalesce(AccountSession.revoked_at, AccountSession.expires_at), AccountSession.expires_at)
    await session.execute(
        delete(AccountSession).where(AccountSession.account_id == account_id, ended < func.now() - KEPT_AFTER_THE_END)
    )
    past = select(AccountSession.id).where(AccountSession.account_id == account_id, ended <= func.now())
    await _delete_beyond(session, AccountSession, past.order_by(ended.desc(), AccountSession.id.desc()))


async def keep_api_keys(session: AsyncSession, account_id: UUID) -> None:
    """Forget the keys of an account that were revoked long ago, or are too many."""
    past = select(ApiKey.id).where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_not(None))
    await session.execute(
        delete(ApiKey).where(ApiKey.account_id == account_id, ApiKey.revoked_at < func.now() - KEPT_AFTER_THE_END)
    )
    await _delete_beyond(session, ApiKey, past.order_by(ApiKey.revoked_at.desc(), ApiKey.id.desc()))


async def _delete_beyond(session: AsyncSession, model: type[AccountSession | ApiKey], ids: Select[UUID]) -> None:
    """Delete the rows of an ordered selection beyond the first `MAX_ENDED`."""
    await session.execute(delete(model).where(model.id.in_(ids.offset(MAX_ENDED))))


async def later(session: AsyncSession, days: int) -> datetime:
    """The time so many days from now, by the database's clock."""
    return await database_now(session) + timedelta(days=days)


async def service_accounts_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, ServiceAccount]:
    """The service accounts with these ids, ended ones too, in one query."""
    rows = await session.scalars(select(ServiceAccount).where(ServiceAccount.id.in_(ids)))
    return {row.id: row for row in rows}


async def workspaces_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Workspace]:
    """The living workspaces with these ids, in one query."""
    statement = select(Workspace).where(Workspace.id.in_(ids), Workspace.deleted_at.is_(None))
    return {row.id: row for row in await session.scalars(statement)}


async def members_by_workspace(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, list[WorkspaceMember]]:
    """The members of workspaces, the oldest first, in one query."""
    members: dict[UUID, list[WorkspaceMember]] = {each: [] for each in ids}
    statement = select(WorkspaceMember).where(WorkspaceMember.workspace_id.in_(ids))
    for row in await session.scalars(statement.order_by(WorkspaceMember.created_at, WorkspaceMember.account_id)):
        members[row.workspace_id].append(row)
    return members


async def service_accounts_by_workspace(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, list[ServiceAccount]]:
    """The living service accounts of workspaces, the oldest first, in one query."""
    accounts: dict[UUID, list[ServiceAccount]] = {each: [] for each in ids}
    statement = select(ServiceAccount).where(ServiceAccount.workspace_id.in_(ids), ServiceAccount.deleted_at.is_(None))
    for row in await session.scalars(statement.order_by(ServiceAccount.created_at, ServiceAccount.id)):
        accounts[row.workspace_id].append(row)
    return accounts


async def keys_by_service_account(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, list[ApiKey]]:
    """The keys of service accounts that were not revoked, the newest first, in one query."""
    keys: dict[UUID, list[ApiKey]] = {each: [] for each in ids}
    statement = live_api_keys().where(ApiKey.service_account_id.in_(ids))
    for row in await session.scalars(statement.order_by(ApiKey.created_at.desc(), ApiKey.id.desc())):
        if row.service_account_id is not None:
            keys[row.service_account_id].append(row)
    return keys


async def database_clock(session: AsyncSession) -> datetime:
    """The time this moment by the database's clock; after a wait for a lock it is later than `database_now`."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def database_now(session: AsyncSession) -> datetime:
    """The time by the database's clock, the one clock that all replicas share, when the unit of work began."""
    now: datetime = (await session.execute(select(func.now()))).scalar_one()
    return now


def _memberships() -> ScalarSelect[Any]:
    """The workspaces of the account of the statement around it: id -> role, as JSON."""
    roles = func.jsonb_object_agg(cast(WorkspaceMember.workspace_id, Text), WorkspaceMember.role)
    living = select(roles).join(Workspace, Workspace.id == WorkspaceMember.workspace_id)
    return (
        living.where(WorkspaceMember.account_id == Account.id, Workspace.deleted_at.is_(None))
        .correlate(Account)
        .scalar_subquery()
    )


async def session_behind(
    session: AsyncSession, token_hash: bytes, idle: timedelta
) -> Row[AccountSession, Account, dict[str, str]] | None:
    """The session and account that a token signs in, unless ended, run out, unused for long, or disabled.

    With them the account's workspaces and its role in each.
    """
    statement = (
        live_sessions(idle)
        .add_columns(Account, _memberships())
        .join(Account, Account.id == AccountSession.account_id)
        .where(
            AccountSession.token_hash == token_hash,
            Account.disabled_at.is_(None),
            Account.deleted_at.is_(None),
        )
    )
    return (await session.execute(statement)).one_or_none()


async def key_behind(
    session: AsyncSession, key_id: UUID, secret_hash: bytes
) -> Row[ApiKey, Account | None, dict[str, str] | None, ServiceAccount | None] | None:
    """The key that a secret opens, unless revoked or run out, and whose it is, unless that has ended or is suspended.

    An account with its workspaces and its role in each, or a service account.
    """
    statement = (
        select(ApiKey, Account, _memberships(), ServiceAccount)
        .outerjoin(
            Account,
            and_(Account.id == ApiKey.account_id, Account.disabled_at.is_(None), Account.deleted_at.is_(None)),
        )
        .outerjoin(
            ServiceAccount, and_(ServiceAccount.id == ApiKey.service_account_id, ServiceAccount.deleted_at.is_(None))
        )
        .where(
            or_(Account.id.is_not(None), ServiceAccount.id.is_not(None)),
            ApiKey.id == key_id,
            or_(
                ApiKey.secret_hash == secret_hash,
                and_(ApiKey.previous_secret_hash == secret_hash, ApiKey.previous_expires_at > func.now()),
            ),
            ApiKey.revoked_at.is_(None),
            (ApiKey.expires_at.is_(None)) | (ApiKey.expires_at > func.now()),
        )
    )
    return (await session.execute(statement)).one_or_none()


async def touch_session(session: AsyncSession, session_id: UUID) -> None:
    """Note that a session was used, at most once a minute."""
    stale = AccountSession.last_seen_at < func.now() - LAST_USE_GRAIN
    await session.execute(
        update(AccountSession).where(AccountSession.id == session_id, stale).values(last_seen_at=func.now())
    )


async def touch_key(session: AsyncSession, key_id: UUID) -> None:
    """Note that a key was used, at most once a minute."""
    stale = (ApiKey.last_used_at.is_(None)) | (ApiKey.last_used_at < func.now() - LAST_USE_GRAIN)
    await session.execute(update(ApiKey).where(ApiKey.id == key_id, stale).values(last_used_at=func.now()))


async def lock_throttles(session: AsyncSession, keys: Sequence[bytes]) -> Mapping[bytes, SignInThrottle]:
    """Lock the counters of keys (made if missing) until the unit of work ends; in one order, or two could deadlock."""
    insertion = insert(SignInThrottle).values([{"key_hash": key} for key in sorted(keys)])
    # An update that changes nothing locks what is there, and leaves no moment in which another could delete it.
    locked = insertion.on_conflict_do_update(
        index_elements=["key_hash"], set_={"key_hash": insertion.excluded.key_hash}
    )
    rows = await session.scalars(locked.returning(SignInThrottle), execution_options={"populate_existing": True})
    return {row.key_hash: row for row in rows}


async def lock_known_throttles(session: AsyncSession, keys: Sequence[bytes]) -> Mapping[bytes, SignInThrottle]:
    """Those counters of keys that there are, locked until the unit of work ends."""
    statement = select(SignInThrottle).where(SignInThrottle.key_hash.in_(keys)).order_by(SignInThrottle.key_hash)
    rows = await session.scalars(statement.with_for_update())
    return {row.key_hash: row for row in rows}


async def clear_throttles(session: AsyncSession, keys: Sequence[bytes]) -> None:
    """Forget what was counted under keys."""
    await session.execute(delete(SignInThrottle).where(SignInThrottle.key_hash.in_(keys)))


async def sweep_throttles(session: AsyncSession, age: timedelta, max_rows: int) -> None:
    """Delete counters that are older than `age`, and the oldest beyond `most`; those in use now are left out."""
    beyond = select(SignInThrottle.key_hash).order_by(SignInThrottle.updated_at.desc()).offset(max_rows)
    old = select(SignInThrottle.key_hash).where(SignInThrottle.updated_at < func.now() - age)
    for selected in (old, beyond):
        locked = selected.with_for_update(skip_locked=True)
        await session.execute(delete(SignInThrottle).where(SignInThrottle.key_hash.in_(locked)))


async def device_belongs_to(session: AsyncSession, token_hash: bytes, account_id: UUID) -> bool:
    """True if a browser with this device token has signed in to the account, not too long ago."""
    statement = select(KnownDevice.id).where(
        KnownDevice.token_hash == token_hash,
        KnownDevice.account_id == account_id,
        KnownDevice.last_used_at > func.now() - DEVICE_KEPT,
    )
    return await session.scalar(statement) is not None


async def is_device(session: AsyncSession, token_hash: bytes) -> bool:
    """True if some account was signed in to with this device token, which was made here then."""
    return await session.scalar(select(KnownDevice.id).where(KnownDevice.token_hash == token_hash).limit(1)) is not None


async def keep_device(session: AsyncSession, account_id: UUID, token_hash: bytes, client: Client) -> None:
    """Note that a device signed in to an account, whose latest `MAX_DEVICES` are kept."""
    values = {"ip_address": client.facts.ip_address, "user_agent": client.facts.user_agent, "last_used_at": func.now()}
    noted = insert(KnownDevice).values(id=new_id(), account_id=account_id, token_hash=token_hash, **values)
    await session.execute(noted.on_conflict_do_update(index_elements=["token_hash", "account_id"], set_=values))
    own = select(KnownDevice.id).where(KnownDevice.account_id == account_id)
    surplus = own.order_by(KnownDevice.last_used_at.desc(), KnownDevice.id.desc()).offset(MAX_DEVICES)
    await session.execute(delete(KnownDevice).where(KnownDevice.id.in_(surplus)))


async def forget_other_devices(session: AsyncSession, account_id: UUID, kept: bytes | None) -> None:
    """Forget all known devices of an account but one."""
    others = delete(KnownDevice).where(KnownDevice.account_id == account_id)
    await session.execute(others if kept is None else others.where(KnownDevice.token_hash != kept))


async def revoke_api_keys(session: AsyncSession, account_id: UUID) -> int:
    """End all API keys of an account; how many there were."""
    ended = update(ApiKey).where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None))
    return len((await session.scalars(ended.values(revoked_at=func.now()).returning(ApiKey.id))).all())


async def audit(session: AsyncSession, fact: AuditFact) -> None:
    """Write an entry of the audit log, last in this unit of work."""
    caller = fact.client.caller
    entry = AuditEntry(
        source="identity",
        action=fact.action,
        outcome=fact.outcome,
        actor_id=fact.actor_id,
        credential=caller.credential if fact.session_id == caller.session_id else None,
        session_id=fact.session_id,
        object_type=fact.object_type,
        object_id=fact.object_id,
        ip_address=fact.client.facts.ip_address,
        user_agent=fact.client.facts.user_agent,
        detail=dict(fact.detail or {}),
    )
    write_audit(session, entry)
