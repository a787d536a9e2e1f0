"""A step of signing in that waits for its answer -> a row of `challenges`, taken once; its name is signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.ids import new_id
from shared_schema.links import Keys
from shared_schema.models import Challenge
from subgraphs.common.errors import ValidationRefusal

CHALLENGE_SECONDS = 300
ENDED = "This step has ended, or was taken already. Begin again."


@dataclass(frozen=True, slots=True)
class Step:
    """What was kept of a step until its answer came."""

    account_id: UUID | None
    data: dict[str, Any]


async def begin(session: AsyncSession, keys: Keys, kind: str, account_id: UUID | None = None, **data: Any) -> str:
    """Keep a step for some minutes; the text by which its answer names it."""
    expires_at = datetime.now(UTC) + timedelta(seconds=CHALLENGE_SECONDS)
    row = Challenge(id=new_id(), kind=kind, account_id=account_id, data=data, expires_at=expires_at)
    session.add(row)
    return keys.token(kind, row.id)


async def look(session: AsyncSession, keys: Keys, kind: str, name: str) -> Step:
    """The step, which stays. Raises a `Refusal` for one that has ended or was made up."""
    challenge_id = keys.mail_id(kind, name)
    if challenge_id is not None:
        statement = select(Challenge).where(
            Challenge.id == challenge_id, Challenge.kind == kind, Challenge.expires_at > func.now()
        )
        row = (await session.scalars(statement)).one_or_none()
        if row is not None:
            return Step(row.account_id, row.data)
    raise ValidationRefusal.at("challenge", ENDED)


async def take(session: AsyncSession, keys: Keys, kind: str, name: str) -> Step:
    """The step, which no other answer gets any more. Raises a `Refusal` for one that has ended or was made up."""
    challenge_id = keys.mail_id(kind, name)
    if challenge_id is not None:
        taken = delete(Challenge).where(
            Challenge.id == challenge_id, Challenge.kind == kind, Challenge.expires_at > func.now()
        )
        row = (await session.execute(taken.returning(Challenge.account_id, Challenge.data))).one_or_none()
        if row is not None:
            return Step(row.account_id, row.data)
    raise ValidationRefusal.at("challenge", ENDED)
