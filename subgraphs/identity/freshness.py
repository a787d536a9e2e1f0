"""A session -> whether its owner proved lately that it is they, as dangerous changes need ("step up")."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.models import AccountSession
from subgraphs.common.errors import Refusal
from subgraphs.identity.clients import Client
from subgraphs.identity.settings import IdentitySettings

NEEDS_PROOF = "Prove again that it is you (`proveIdentity`), then repeat this."


class ProofNeededRefusal(Refusal):
    """The session's last proof is too old for this."""


async def require_proof(session: AsyncSession, settings: IdentitySettings, client: Client) -> None:
    """Raise a `Refusal` unless the caller's session had a sign-in or a proof within the time that the settings say."""
    newest = func.now() - timedelta(seconds=settings.proof_seconds)
    statement = select(AccountSession.id).where(
        AccountSession.id == client.caller.session_id,
        AccountSession.account_id == client.caller.account_id,
        AccountSession.revoked_at.is_(None),
        AccountSession.proved_at > newest,
    )
    if await session.scalar(statement) is None:
        raise ProofNeededRefusal(NEEDS_PROOF)


async def note_proof(session: AsyncSession, client: Client) -> None:
    """The caller's session has proved itself now."""
    own = update(AccountSession).where(
        AccountSession.id == client.caller.session_id, AccountSession.account_id == client.caller.account_id
    )
    await session.execute(own.values(proved_at=func.now()))
