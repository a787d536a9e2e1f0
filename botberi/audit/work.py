"""A command of `botberi audit` -> the work done and shown; the exit code."""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from botberi.databases import database_urls
from botberi.events.moments import moment
from botberi.events.targets import connected
from botberi.run.errors import StartError
from botberi.settings import EventsSettings
from shared_schema.audit import COLUMNS, MEMBERS, Chain, ChainBroken, Head

BROKEN: Final = 1
_BATCH: Final = 1000
_HASHES: Final = ("previous_hash", "hash")


async def verify(settings: EventsSettings, file: Path | None, expect: Sequence[str]) -> int:
    """`botberi audit verify`: 1 when the log is not what was written."""
    chain = Chain([_head(text) for text in expect])
    try:
        if file is not None:
            _check_file(chain, file)
        else:
            async with connected("user_psql", database_urls(settings)["user_psql"]) as connection:
                async for row in _rows(connection, None, None):
                    chain.check(row)
        chain.end()
    except ChainBroken as problem:
        print(f"botberi: the audit log is not what was written. {problem}", file=sys.stderr)
        return BROKEN
    head = chain.head
    print(f"{head.seq} rows, every hash is right. Keep this elsewhere, for a later `--expect`: {head}")
    return 0


async def export(settings: EventsSettings, since: str | None, until: str | None) -> int:
    """`botberi audit export`."""
    now = datetime.now(UTC)
    try:
        bounds = [moment(text, now) if text is not None else None for text in (since, until)]
    except ValueError as error:
        raise StartError(str(error)) from None
    async with connected("user_psql", database_urls(settings)["user_psql"]) as connection:
        async for row in _rows(connection, *bounds):
            time = datetime.fromtimestamp(int(row["occurred_at"]) / 1_000_000, UTC)
            line = {"time": time.isoformat(), **{name: row[name] for name in (*MEMBERS, *_HASHES)}}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 0


async def _rows(
    connection: asyncpg.Connection, since: datetime | None, until: datetime | None
) -> AsyncIterator[Mapping[str, Any]]:
    """The rows in their order, as they are at one moment."""
    query = (
        f"SELECT {COLUMNS} FROM audit_log "  # noqa: S608 - names of our own
        "WHERE ($1::timestamptz IS NULL OR occurred_at >= $1) AND ($2::timestamptz IS NULL OR occurred_at < $2) "
        "ORDER BY audit_log.seq"
    )
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for row in connection.cursor(query, since, until, prefetch=_BATCH):
            yield row


def _check_file(chain: Chain, file: Path) -> None:
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if not isinstance(row, dict) or not {*MEMBERS, *_HASHES} <= row.keys():
                    raise ValueError("it is no row of an export")
                chain.check(row)
    except OSError as error:
        raise StartError(f"{file} can't be read: {error.strerror}.") from None
    except ValueError as error:
        raise StartError(f"{file}: after row {chain.head.seq} comes what is no row of the log: {error}.") from None


def _head(text: str) -> Head:
    seq, _, digest = text.partition(":")
    if not seq.isdigit() or len(digest) != 64:
        raise StartError(f"--expect {text!r}: write SEQ:HASH, as `botberi audit verify` prints it.")
    return Head(int(seq), digest.lower())
