"""A row of `data_exports` -> a JSON file with all that both databases have of the account, and a mail that it is there.

It holds no secret and no hash of one: those are no data about a person.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO
from uuid import UUID

from sqlalchemy import text

from shared_schema.database import SyncDatabase
from workers.identity.tools import Tools

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/json"
FILE_NAME: Final = "botberi-account.json"

_LOCK = text("SELECT id, account_id FROM data_exports WHERE id = :id AND finished_at IS NULL FOR UPDATE SKIP LOCKED")
_DONE = text("""
    UPDATE data_exports SET finished_at = clock_timestamp(), storage_key = :key, size_bytes = :size,
        expires_at = clock_timestamp() + make_interval(days => :days)
    WHERE id = :id RETURNING expires_at
""")
_MAIL = text("""
    INSERT INTO mails (id, kind, recipient, language, account_id, expires_at)
    SELECT gen_random_uuid(), 'export_ready', email, language, id, :expires_at FROM accounts
    WHERE id = :account_id AND deleted_at IS NULL
""")

#: Part of the file -> its rows, of one account.
_OF_ACCOUNTS: Final[Mapping[str, str]] = {
    "account": (
        "SELECT id, email, display_name, role, language, email_verified_at, disabled_at, disabled_reason, closes_at,"
        " created_at, updated_at FROM accounts WHERE id = :id"
    ),
    "sessions": (
        "SELECT id, user_agent, host(ip_address) AS ip_address, created_at, last_seen_at, expires_at, revoked_at"
        " FROM sessions WHERE account_id = :id ORDER BY created_at"
    ),
    "api_keys": (
        "SELECT id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at"
        " FROM api_keys WHERE account_id = :id ORDER BY created_at"
    ),
    "known_devices": (
        "SELECT id, user_agent, host(ip_address) AS ip_address, created_at, last_used_at"
        " FROM known_devices WHERE account_id = :id ORDER BY created_at"
    ),
    "passkeys": "SELECT id, name, created_at, last_used_at FROM passkeys WHERE account_id = :id ORDER BY created_at",
    "external_identities": (
        "SELECT issuer, subject, created_at, last_used_at FROM external_identities WHERE account_id = :id"
    ),
    "mails": "SELECT id, kind, recipient, created_at, sent_at FROM mails WHERE account_id = :id ORDER BY created_at",
    "audit_trail": (
        "SELECT occurred_at, action, outcome, object_type, object_id, host(ip_address) AS ip_address, user_agent,"
        " detail FROM audit_log WHERE actor_id = :id ORDER BY occurred_at"
    ),
}
_OF_SHARED: Final[Mapping[str, str]] = {
    "instances": (
        "SELECT id, agent_id, template_id, name, parameters, status, result, error_code, error_message, created_at,"
        " started_at, finished_at FROM instances WHERE owner_id = :id AND deleted_at IS NULL ORDER BY created_at"
    ),
    "artifacts": (
        "SELECT a.instance_id, a.name, a.content_type, a.size_bytes, a.created_at FROM instance_artifacts AS a"
        " JOIN instances AS i ON i.id = a.instance_id"
        " WHERE i.owner_id = :id AND i.deleted_at IS NULL AND a.promoted_at IS NOT NULL ORDER BY a.created_at"
    ),
    "schedules": (
        "SELECT id, agent_id, template_id, name, parameters, cron, time_zone, created_at, last_fired_at"
        " FROM schedules WHERE owner_id = :id AND deleted_at IS NULL ORDER BY created_at"
    ),
    "agents": (
        "SELECT id, slug, name, summary, description, status, parameters_schema, created_at"
        " FROM agents WHERE publisher_id = :id ORDER BY created_at"
    ),
    "templates": (
        "SELECT id, slug, name, summary, description, agent_id, parameters, status, created_at"
        " FROM templates WHERE publisher_id = :id ORDER BY created_at"
    ),
}
#: Columns that hold JSON as text.
_JSON: Final = frozenset({"parameters", "result", "parameters_schema"})
_ROWS_AT_ONCE: Final = 200


def write(tools: Tools, export_id: UUID) -> str:
    """Write the file, unless it is written or another worker is writing it."""
    with tools.accounts.unit_of_work() as session:
        row = session.execute(_LOCK, {"id": export_id}).one_or_none()
        if row is None:
            return "NOTHING"
        key = f"exports/{row.account_id}/{export_id}.json"
        with tempfile.TemporaryDirectory(prefix="botberi-export-") as folder:
            file = Path(folder) / FILE_NAME
            with file.open("w", encoding="utf-8") as out:
                _write(tools, row.account_id, out)
            size = file.stat().st_size
            tools.storage.put(key, file, CONTENT_TYPE, FILE_NAME)
        values = {"id": export_id, "key": key, "size": size, "days": tools.settings.export_days}
        expires_at = session.scalar(_DONE, values)
        session.execute(_MAIL, {"account_id": row.account_id, "expires_at": expires_at})
    logger.info("export %s of account %s has %d bytes", export_id, row.account_id, size)
    return "WRITTEN"


def _write(tools: Tools, account_id: UUID, out: TextIO) -> None:
    """Row by row: an account may have more instances than memory holds."""
    out.write("{")
    first = True
    for database, parts in ((tools.accounts, _OF_ACCOUNTS), (tools.shared, _OF_SHARED)):
        for name, statement in parts.items():
            out.write(f"{'' if first else ','}\n{json.dumps(name)}: [")
            first = False
            for number, row in enumerate(_rows(database, statement, account_id)):
                out.write(f"{',' if number else ''}\n  {json.dumps(row, default=str, ensure_ascii=False)}")
            out.write("]")
    out.write("\n}\n")


def _rows(database: SyncDatabase, statement: str, account_id: UUID) -> Iterator[dict[str, Any]]:
    with database.engine.connect() as connection:
        streaming = connection.execution_options(stream_results=True, yield_per=_ROWS_AT_ONCE)
        for row in streaming.execute(text(statement), {"id": account_id}).mappings():
            yield {
                name: json.loads(value) if name in _JSON and value is not None else value for name, value in row.items()
            }
