"""Rows that wait -> messages on identity's queue. Messages are wake-ups: what is to be done is in the rows.

A thread in the worker's main process. It is woken by the database when a mail or an export is added, and looks every
few seconds for what is due again. A row that was sent has a lease in `next_attempt_at`, so that of several workers one
sends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import text

from workers.identity.metrics import MAILS_WAITING
from workers.identity.tools import Tools
from workers.logs import brief

logger = logging.getLogger(__name__)

CHANNEL: Final = "identity_work"
ROWS: Final = 50
#: A message may take so long to be worked on before another is sent.
LEASE_SECONDS: Final = 120.0
_SLICE_SECONDS: Final = 0.5

_MAILS = text("""
    UPDATE mails SET next_attempt_at = clock_timestamp() + make_interval(secs => :lease)
    WHERE id = ANY (ARRAY (
        SELECT id FROM mails
        WHERE sent_at IS NULL AND dropped_at IS NULL AND next_attempt_at <= clock_timestamp()
        ORDER BY next_attempt_at LIMIT :rows FOR UPDATE SKIP LOCKED))
    RETURNING id
""")
_EXPORTS = text("""
    UPDATE data_exports SET next_attempt_at = clock_timestamp() + make_interval(secs => :lease * 5)
    WHERE id = ANY (ARRAY (
        SELECT id FROM data_exports WHERE finished_at IS NULL AND next_attempt_at <= clock_timestamp()
        ORDER BY next_attempt_at LIMIT :rows FOR UPDATE SKIP LOCKED))
    RETURNING id
""")
# No lease: a message too many finds the account's row locked, or emptied.
_CLOSINGS = text("SELECT id FROM accounts WHERE closes_at <= clock_timestamp() ORDER BY closes_at LIMIT :rows")

_WAITING = text("SELECT count(*) FROM mails WHERE sent_at IS NULL AND dropped_at IS NULL")

MAIL, EXPORT, CLOSE, PRUNE = "identity.mail", "identity.export", "identity.close", "identity.prune"
Send = Callable[[str, dict[str, Any]], None]


class Feeder(threading.Thread):
    """Feeds the queue until `stop` is called."""

    def __init__(self, tools: Tools, send: Send) -> None:
        super().__init__(name="identity-feeder", daemon=True)
        self._tools = tools
        self._send = send
        self._stopping = threading.Event()
        self._closings: dict[UUID, float] = {}
        self._pruned_at = time.monotonic()

    def stop(self) -> None:
        """End it, within half a second."""
        self._stopping.set()

    def run(self) -> None:
        """Feed, and begin again after whatever goes wrong."""
        while not self._stopping.is_set():
            try:
                self._listen()
            except Exception as error:
                logger.warning("what waits can't be looked for, again soon: %s", brief(error))
                self._stopping.wait(2 * _SLICE_SECONDS)

    def feed(self) -> int:
        """Send what is due; how many messages."""
        count = 0
        values = {"rows": ROWS, "lease": LEASE_SECONDS}
        with self._tools.accounts.unit_of_work() as session:
            mails = session.scalars(_MAILS, values).all()
            exports = session.scalars(_EXPORTS, values).all()
            closings = session.scalars(_CLOSINGS, {"rows": ROWS}).all()
        for task, name, rows in ((MAIL, "mail_id", mails), (EXPORT, "export_id", exports)):
            for row_id in rows:
                self._send(task, {name: str(row_id)})
                count += 1
        for account_id in closings:
            if time.monotonic() >= self._closings.get(account_id, 0.0):
                self._closings[account_id] = time.monotonic() + self._tools.settings.identity_sweep_seconds
                self._send(CLOSE, {"account_id": str(account_id)})
                count += 1
        for account_id in self._closings.keys() - set(closings):
            del self._closings[account_id]
        if time.monotonic() - self._pruned_at >= self._tools.settings.identity_prune_seconds:
            self._pruned_at = time.monotonic()
            self._send(PRUNE, {})
            count += 1
        return count

    def _listen(self) -> None:
        url = self._tools.settings.require_user_database_url()
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute("LISTEN " + CHANNEL)
            while not self._stopping.is_set():
                while self.feed() >= ROWS and not self._stopping.is_set():
                    pass
                MAILS_WAITING.set(self._waiting())
                self._wait(connection)

    def _waiting(self) -> int:
        with self._tools.accounts.unit_of_work() as session:
            return int(session.scalar(_WAITING) or 0)

    def _wait(self, connection: psycopg.Connection[Any]) -> None:
        """Until the database rings, or it is time to look anyway."""
        until = time.monotonic() + self._tools.settings.identity_sweep_seconds
        while not self._stopping.is_set() and time.monotonic() < until:
            if any(True for _ in connection.notifies(timeout=_SLICE_SECONDS, stop_after=1)):
                return
