"""Rows of `user_psql` that have ended -> gone: links, challenges, files of exports, sessions and keys of long ago."""

from __future__ import annotations

import logging
from typing import Final

from sqlalchemy import text

from shared_schema.artifacts import StorageError
from workers.identity.tools import Tools

logger = logging.getLogger(__name__)

#: So many rows in one statement: none locks a table's rows for long.
ROWS: Final = 1_000

# Kept for thirty days after their end, as an account's own pages show them (subgraphs/identity/repository.py).
_STATEMENTS: Final = (
    """DELETE FROM mails WHERE id = ANY (ARRAY (
        SELECT id FROM mails WHERE created_at < now() - interval '30 days'
            AND (sent_at IS NOT NULL OR dropped_at IS NOT NULL) AND coalesce(expires_at, now()) <= now()
        LIMIT :rows))""",
    # A registration that was not confirmed leaves nothing of the person.
    """DELETE FROM mails WHERE id = ANY (ARRAY (
        SELECT id FROM mails WHERE kind = 'registration' AND (sent_at IS NOT NULL OR dropped_at IS NOT NULL)
            AND (expires_at < now() - interval '1 day' OR used_at < now() - interval '1 day')
        LIMIT :rows))""",
    "DELETE FROM challenges WHERE id = ANY (ARRAY (SELECT id FROM challenges WHERE expires_at < now() LIMIT :rows))",
    """DELETE FROM sessions WHERE id = ANY (ARRAY (
        SELECT id FROM sessions WHERE least(coalesce(revoked_at, expires_at), expires_at) < now() - interval '30 days'
        LIMIT :rows))""",
    """DELETE FROM api_keys WHERE id = ANY (ARRAY (
        SELECT id FROM api_keys WHERE revoked_at < now() - interval '30 days' LIMIT :rows))""",
    """DELETE FROM known_devices WHERE id = ANY (ARRAY (
        SELECT id FROM known_devices WHERE last_used_at < now() - interval '180 days' LIMIT :rows))""",
)
_EXPORTS = text("""
    SELECT id, storage_key FROM data_exports WHERE expires_at < now() ORDER BY expires_at LIMIT :rows
    FOR UPDATE SKIP LOCKED
""")
_FORGET = text("DELETE FROM data_exports WHERE id = :id")


def prune(tools: Tools) -> str:
    """Remove what has ended, some rows at a time."""
    count = 0
    for statement in _STATEMENTS:
        while True:
            with tools.accounts.unit_of_work() as session:
                removed = session.execute(text(statement), {"rows": ROWS}).rowcount  # type: ignore[attr-defined]
            count += removed
            if removed < ROWS:
                break
    with tools.accounts.unit_of_work() as session:
        for row in session.execute(_EXPORTS, {"rows": ROWS}).all():
            try:
                tools.storage.delete(row.storage_key)
            except StorageError as error:
                logger.warning("the file of export %s stays for now: %s", row.id, error)
                continue
            session.execute(_FORGET, {"id": row.id})
            count += 1
    if count:
        logger.info("removed %d rows that had ended", count)
    return "DONE"
