"""An account whose waiting time is over -> its things gone or handed over, and a row that names no person any more.

Each step may be repeated: what is done is found done. The account's row is locked meanwhile and emptied last, so an
account that is half closed is taken up again. Two passes at least: runs end, and their files are removed, in between.
"""

from __future__ import annotations

import logging
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from shared_schema import audit, platform_account
from shared_schema.models import AuditEntry
from workers.identity.tools import Tools

logger = logging.getLogger(__name__)

#: Part of the platform that entries of the audit log come from.
SOURCE: Final = "identity-worker"

_LOCK = text("""
    SELECT id, email, language FROM accounts
    WHERE id = :id AND closes_at <= clock_timestamp() AND deleted_at IS NULL FOR UPDATE SKIP LOCKED
""")
_PLATFORM = text("SELECT id FROM accounts WHERE lower(email) = :email AND deleted_at IS NULL")

# What it made in workspaces of others is theirs, and stays; its own workspace has its id.
_END_SCHEDULES = text("DELETE FROM schedules WHERE workspace_id = :id")
_CANCEL_WAITING = text("""
    UPDATE instances SET status = 'CANCELLED', finished_at = clock_timestamp(), lease_owner = NULL,
        lease_expires_at = NULL, cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
    WHERE workspace_id = :id AND status IN ('PENDING', 'QUEUED')
""")
_CANCEL_RUNNING = text("""
    UPDATE instances SET cancel_requested_at = clock_timestamp()
    WHERE workspace_id = :id AND status = 'RUNNING' AND cancel_requested_at IS NULL
""")
_DELETE_ENDED = text("""
    UPDATE instances SET deleted_at = clock_timestamp()
    WHERE workspace_id = :id AND deleted_at IS NULL AND status NOT IN ('PENDING', 'QUEUED', 'RUNNING')
""")
# The janitor removes the files of deleted instances, and their rows after them.
_REMOVE = text("""
    DELETE FROM instances AS i WHERE workspace_id = :id AND deleted_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM instance_artifacts AS a WHERE a.instance_id = i.id)
""")
_LEFT = text("SELECT count(*) FROM instances WHERE workspace_id = :id")
_HAND_OVER = "UPDATE {table} SET publisher_id = :platform WHERE publisher_id = :id AND status = 'PUBLISHED'"
# What was published once may have instances of others; a draft has none, and is of no use to anyone.
_RETIRE = (
    "UPDATE {table} SET status = 'RETIRED', retired_at = coalesce(retired_at, clock_timestamp())"
    " WHERE publisher_id = :id AND status <> 'RETIRED'"
)

# Everything that belongs to the account goes with it; `mails` to it as well, but for the last one.
_BELONGINGS: Final = (
    "sessions",
    "api_keys",
    "known_devices",
    "totp_factors",
    "recovery_codes",
    "passkeys",
    "challenges",
    "external_identities",
    "workspace_members",
    "mails",
)
_EXPORTS = text("SELECT storage_key FROM data_exports WHERE account_id = :id AND storage_key IS NOT NULL")
_EMPTY = text("""
    UPDATE accounts SET email = 'closed-' || id || '@closed.invalid', display_name = 'Closed account', role = 'user',
        password_hash = '$argon2id$closed', email_verified_at = NULL, disabled_reason = NULL, closes_at = NULL,
        deleted_at = clock_timestamp()
    WHERE id = :id
""")
_FAREWELL = text("""
    INSERT INTO mails (id, kind, recipient, language) VALUES (gen_random_uuid(), 'closed', :email, :language)
""")


def close(tools: Tools, account_id: UUID) -> str:
    """Take the account one pass further, and return how far it is."""
    with tools.accounts.unit_of_work() as session:
        account = session.execute(_LOCK, {"id": account_id}).one_or_none()
        if account is None:
            return "NOTHING"
        platform = session.scalar(_PLATFORM, {"email": platform_account.EMAIL})
        with tools.shared.unit_of_work() as shared:
            left = _leave(
                shared, account_id, platform if tools.settings.closed_accounts_agents == "hand_over" else None
            )
        if left:
            logger.info("account %s is being closed: %d instances are left", account_id, left)
            return "LATER"
        for key in session.scalars(_EXPORTS, {"id": account_id}):
            tools.storage.delete(key)
        for table in (*_BELONGINGS, "data_exports"):
            session.execute(text(f"DELETE FROM {table} WHERE account_id = :id"), {"id": account_id})  # noqa: S608
        session.execute(_EMPTY, {"id": account_id})
        session.execute(_FAREWELL, {"email": account.email, "language": account.language})
        about = {"object_type": "Account", "object_id": account_id}
        audit.write(session, AuditEntry(source=SOURCE, action="account.closed", outcome="SUCCESS", **about))
    logger.info("account %s is closed", account_id)
    return "CLOSED"


def _leave(shared: Session, account_id: UUID, platform: UUID | None) -> int:
    """End, remove or hand over what `shared_psql` has of the account; how many instances are still to be removed."""
    who = {"id": account_id}
    shared.execute(_END_SCHEDULES, who)
    for statement in (_CANCEL_WAITING, _CANCEL_RUNNING, _DELETE_ENDED, _REMOVE):
        shared.execute(statement, who)
    for table in ("agents", "templates"):
        if platform is not None and platform != account_id:
            shared.execute(text(_HAND_OVER.format(table=table)), {**who, "platform": platform})
        shared.execute(text(_RETIRE.format(table=table)), who)
    return int(shared.scalar(_LEFT, who) or 0)
