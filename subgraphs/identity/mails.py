"""A mail that a unit of work wants to be sent -> a row of `mails`, which identity's worker sends.

No request waits for a mail server, and none looks up whether an address has an account: the worker does, when it
sends. What a request does for a known address and for an unknown one is the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.links import Keys
from shared_schema.models import Account, Mail
from subgraphs.common.errors import ValidationRefusal
from subgraphs.identity.settings import IdentitySettings

LINK_ENDED = "This link is not valid, or not any more. Ask for a new one."


def add_link(
    session: AsyncSession,
    kind: str,
    recipient: str,
    seconds: int,
    *,
    language: str,
    account_id: UUID | None = None,
    password_hash: str | None = None,
    **data: Any,
) -> Mail:
    """Have a mail sent whose link is good for `seconds`."""
    mail = Mail(
        kind=kind,
        recipient=recipient,
        language=language,
        account_id=account_id,
        password_hash=password_hash,
        data=data,
        expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
    )
    session.add(mail)
    return mail


def add_notice(
    session: AsyncSession, kind: str, account: Account, *, recipient: str | None = None, **data: Any
) -> None:
    """Have a mail without a link sent to an account's owner."""
    session.add(
        Mail(
            kind=kind,
            recipient=recipient or account.email,
            language=account.language,
            account_id=account.id,
            data=data,
        )
    )


async def read_link(session: AsyncSession, keys: Keys, token: str, *kinds: str, lock: bool = False) -> Mail:
    """The mail whose link has the token. Raises a `Refusal` for a token that was made up, used, or has ended."""
    for kind in kinds:
        mail_id = keys.mail_id(kind, token)
        if mail_id is None:
            continue
        statement = select(Mail).where(
            Mail.id == mail_id, Mail.kind == kind, Mail.used_at.is_(None), Mail.expires_at > func.now()
        )
        mail = await session.scalar(statement.with_for_update() if lock else statement)
        if mail is not None:
            return mail
    raise ValidationRefusal.at("token", LINK_ENDED)


async def use_up(session: AsyncSession, account_id: UUID, *kinds: str) -> None:
    """End every link of these kinds that an account has."""
    links = update(Mail).where(Mail.account_id == account_id, Mail.kind.in_(kinds), Mail.used_at.is_(None))
    await session.execute(links.values(used_at=func.now()))


def language_of(settings: IdentitySettings, wanted: str | None) -> str:
    """The language of mails that was asked for, if it looks like one; else the platform's."""
    text = (wanted or "").strip().lower()[:16]
    return text if text.isascii() and text.replace("-", "").isalpha() else settings.language
