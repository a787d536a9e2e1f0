"""A table of Postgres in which events are written with the changes that they are about (a transactional outbox).

NOTIFY wakes the reader, the table is the truth: a look every now and then finds what a lost notification didn't report.
A transaction that began earlier may commit later, with lower numbers: rows are read in the order of their transactions,
and only when no transaction that began before theirs is still running. So none is skipped.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg

from botberi_gateway.config import EventSourceConfig
from botberi_gateway.event_sources.message import event_of
from botberi_gateway.event_sources.reader import LogSource
from botberi_gateway.subscriptions.events import SourceEvent

#: How often the table is looked at without a notification.
_POLL_SECONDS: Final = 1.0
_BATCH: Final = 500
_TIMEOUT_SECONDS: Final = 10.0
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(?:\.[A-Za-z_][A-Za-z0-9_]{0,62})?")


def ddl(table: str = "gateway_events", channel: str = "gateway_events") -> str:
    """The statements that make the table and its notification. Old rows may be deleted at any time."""
    plain = table.replace(".", "_")
    return f"""
CREATE TABLE {_checked(table)} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
  topic text NOT NULL,
  payload jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX {plain}_order ON {table} (transaction, id);
CREATE FUNCTION {plain}_notify() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_notify('{_checked(channel)}', ''); RETURN NULL; END $$;
CREATE TRIGGER {plain}_notify AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {plain}_notify();
"""


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a table or channel")
    return name


class PostgresSource(LogSource):
    """The table that `ddl` makes."""

    def __init__(self, config: EventSourceConfig) -> None:
        """Raises `ValueError` for names that can't be."""
        super().__init__(config)
        self._url = config.url or ""
        self._channel = _checked(config.channel)
        # Values of `xid8` travel as texts: drivers know no such number.
        self._select = (
            f"SELECT transaction::text AS transaction, id, topic, payload::text AS payload "  # noqa: S608 - checked
            f"FROM {_checked(config.table)} "
            "WHERE (transaction, id) > ($1::text::xid8, $2) AND transaction < pg_snapshot_xmin(pg_current_snapshot()) "
            f"ORDER BY transaction, id LIMIT {_BATCH}"
        )
        self._connection: Any = None
        self._position: tuple[str, int] | None = None
        self._woken = asyncio.Event()

    def forget(self) -> None:
        """See `LogSource`."""
        self._position = None

    async def connect(self) -> None:
        """See `LogSource`."""
        self._connection = await asyncpg.connect(self._url, timeout=_TIMEOUT_SECONDS, command_timeout=_TIMEOUT_SECONDS)
        await self._connection.add_listener(self._channel, self._notified)
        self._connection.add_termination_listener(lambda _: self._woken.set())
        if self._position is None:
            # Transactions that are running now, and all later ones.
            present = await self._connection.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
            self._position = present, 0
        self._woken.set()

    def _notified(self, *_: object) -> None:
        self._woken.set()

    async def read(self) -> Sequence[SourceEvent]:
        """See `LogSource`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._woken.wait()
        self._woken.clear()
        assert self._position is not None
        rows = await self._connection.fetch(self._select, *self._position)
        if rows:
            self._position = rows[-1]["transaction"], rows[-1]["id"]
        if len(rows) == _BATCH:
            self._woken.set()
        events = (event_of(row["topic"], row["payload"].encode()) for row in rows)
        return [event for event in events if event is not None]

    async def disconnect(self) -> None:
        """See `LogSource`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate() if connection.is_closed() else await connection.close(timeout=1)
