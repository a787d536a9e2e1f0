"""A code that a person typed -> whether it is one of their app's (TOTP, RFC 6238), or one of their recovery codes."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.links import Keys
from shared_schema.models import RecoveryCode, TotpFactor
from subgraphs.identity.credentials import digest

STEP_SECONDS = 30
#: Clocks of telephones may be off by so many steps, to either side.
DRIFT_STEPS = 1
RECOVERY_CODES = 10
# 80 random bits each: no letters that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_DIGITS = 17
MAX_CODE = 64


async def confirmed_factor(session: AsyncSession, account_id: UUID, *, lock: bool = False) -> TotpFactor | None:
    """The account's app, if codes of it are asked for."""
    statement = select(TotpFactor).where(TotpFactor.account_id == account_id, TotpFactor.confirmed_at.is_not(None))
    return (await session.scalars(statement.with_for_update() if lock else statement)).one_or_none()


def accept(keys: Keys, factor: TotpFactor, code: str) -> bool:
    """True if the code is the app's for about now and was not used before; then it is used."""
    secret = keys.open(factor.secret)
    if secret is None:
        return False
    totp = pyotp.TOTP(secret.decode())
    now = int(time.time()) // STEP_SECONDS
    given = code.replace(" ", "")
    if not (given.isascii() and given.isdigit() and len(given) == 6):
        return False
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if step > factor.last_step and secrets.compare_digest(totp.at(step * STEP_SECONDS), given):
            factor.last_step = step
            return True
    return False


async def accept_recovery(session: AsyncSession, account_id: UUID, code: str) -> bool:
    """True if the code is an unused recovery code; then it is used."""
    if not 0 < len(code) <= MAX_CODE:
        return False
    cleaned = "".join(character for character in code.lower() if character in _ALPHABET)
    used = update(RecoveryCode).where(
        RecoveryCode.account_id == account_id,
        RecoveryCode.code_hash == digest(cleaned),
        RecoveryCode.used_at.is_(None),
    )
    found = await session.scalars(used.values(used_at=func.now()).returning(RecoveryCode.id))
    return found.one_or_none() is not None


async def renew_recovery(session: AsyncSession, account_id: UUID) -> list[str]:
    """New recovery codes in place of all former ones; they are shown this once."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_DIGITS)) for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(account_id=account_id, code_hash=digest(code)) for code in codes)
    return ["-".join((code[:6], code[6:12], code[12:])) for code in codes]


async def recovery_left(session: AsyncSession, account_id: UUID) -> int:
    """How many recovery codes of an account are not used."""
    unused = select(func.count()).where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
    return int(await session.scalar(unused) or 0)
