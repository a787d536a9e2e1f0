"""Facts -> rows of the audit log, written last in their unit of work; rows -> the hash chain, checked.

A trigger numbers each row and gives it `hash`, the SHA-256 of the row's content and of the hash before it. Who changes,
removes or adds a row anywhere but at the end changes every hash after it; who keeps an old (`seq`, `hash`) elsewhere
sees even a chain that was computed again. `digest` is what the trigger computes, in Python.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from shared_schema.database import LAST_ROWS
from shared_schema.models import AuditEntry

#: What the first row has in place of the hash before it.
ORIGIN: Final = bytes(32)

#: The members of an exported row that its hash is made of, beside the hash before it, in the order of the trigger.
MEMBERS: Final = (
    *("seq", "id", "occurred_at", "source", "actor_id", "credential", "session_id", "action"),
    *("object_type", "object_id", "outcome", "ip_address", "user_agent", "detail"),
)
#: SQL for a row's members as text, exactly as the trigger has them (`occurred_at` in microseconds since 1970), and its
#: hashes.
COLUMNS: Final = """seq::text, id::text, (extract(epoch FROM occurred_at) * 1000000)::bigint::text AS occurred_at,
    source, actor_id::text, credential, session_id::text, action, object_type, object_id::text, outcome,
    host(ip_address) AS ip_address, user_agent, detail::text,
    encode(previous_hash, 'hex') AS previous_hash, encode(hash, 'hex') AS hash"""


def write(session: AsyncSession | Session, entry: AuditEntry) -> None:
    """Add an entry to the unit of work's last rows.

    Only one transaction at a time can append to the log, so nothing of the unit of work comes after it: neither a
    longer wait of the others, nor a lock that another one holds while it waits for its turn.
    """
    session.info.setdefault(LAST_ROWS, []).append(entry)


def digest(previous_hash: bytes, members: Mapping[str, str | None]) -> bytes:
    """The hash of a row: its members as text, in `MEMBERS`' order, as Postgres prints them in a JSON array."""
    text = json.dumps([members[name] for name in MEMBERS], ensure_ascii=False)
    return hashlib.sha256(previous_hash + text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Head:
    """The number and hash of the last row that was checked: keep it elsewhere, and a later check can ask for it."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class ChainBroken(Exception):
    """The log is not what was written; the text says from which row on."""


class Chain:
    """Checks rows in the order of their numbers, one after the other."""

    def __init__(self, expected: Iterable[Head] = ()) -> None:
        """`expected` are heads of earlier checks, which have to be in the log as they were."""
        self._expected = {head.seq: head.hash for head in expected}
        self._previous = ORIGIN
        self._seq = 0

    @property
    def head(self) -> Head:
        """The last row's number and hash; number 0 for an empty log."""
        return Head(self._seq, self._previous.hex())

    def check(self, row: Mapping[str, Any]) -> None:
        """Take the next row (`COLUMNS`). Raises `ChainBroken`."""
        seq = int(row["seq"])
        if seq != self._seq + 1:
            raise ChainBroken(f"Row {self._seq + 1} is missing: after row {self._seq} comes row {seq}.")
        if row["previous_hash"] != self._previous.hex():
            raise ChainBroken(f"Row {seq} does not follow the row before it: one of the two was put in its place.")
        computed = digest(self._previous, row)
        if row["hash"] != computed.hex():
            raise ChainBroken(f"Row {seq} was changed: its hash is not that of its content.")
        if self._expected.pop(seq, row["hash"]) != row["hash"]:
            raise ChainBroken(f"Row {seq} is another one than at the earlier check: the chain was computed again.")
        self._previous, self._seq = computed, seq

    def end(self) -> None:
        """Say that there are no more rows. Raises `ChainBroken` where an earlier check saw more."""
        if self._expected:
            raise ChainBroken(
                f"The log ends at row {self._seq}, and an earlier check saw row {max(self._expected)}: its end is gone."
            )
