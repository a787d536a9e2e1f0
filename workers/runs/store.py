"""The holder of a run -> its row: claim, renew, progress, finish, each guarded by attempt and lease.

The attempt is the fencing token. Every write asks for it, for the lease's owner and for RUNNING; when no row
answers, another holds the run by now, and the caller stops without a trace (`Fenced`). Times are the database's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, TextClause, text

from shared_schema import killpoints
from shared_schema.contracts.runs import RunInput
from shared_schema.database import SyncDatabase
from shared_schema.json_text import json_text, json_value
from workers.runs.lines import Line, clean

Ending = Literal["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT"]
MAX_MESSAGE = 500
MAX_ERROR = 2_000


class Fenced(Exception):
    """The run isn't held by this attempt any more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this process holds until its lease expires."""

    run: RunInput
    owner: str
    #: Seconds from the instance's making to its first attempt; None for later attempts.
    waited_seconds: float | None = None

    @property
    def guard(self) -> dict[str, Any]:
        return {"id": self.run.instance_id, "attempt": self.run.attempt, "owner": self.owner}


@dataclass(frozen=True, slots=True)
class Watch:
    """The run's row as its holder sees it."""

    cancelled: bool


_CLAIM = text("""
    UPDATE instances AS i
    SET status = 'RUNNING', attempt = i.attempt + 1, progress = 0, progress_message = NULL,
        lease_owner = :owner, lease_expires_at = clock_timestamp() + make_interval(secs => :lease)
    FROM agents AS a
    WHERE i.id = :id AND a.id = i.agent_id
      AND i.deleted_at IS NULL AND i.cancel_requested_at IS NULL AND i.attempt < coalesce(i.max_attempts, :max_attempts)
      AND (i.status IN ('PENDING', 'QUEUED') OR (i.status = 'RUNNING' AND i.lease_expires_at < clock_timestamp()))
    RETURNING i.id, i.owner_id, i.agent_id, i.attempt, i.parameters, i.max_attempts, i.timeout_seconds,
        a.workflow, a.workflow_version, extract(epoch FROM clock_timestamp() - i.created_at)::float8 AS waited_seconds
""")
_STATE = text("""
    SELECT status, attempt, deleted_at IS NOT NULL AS deleted, cancel_requested_at IS NOT NULL AS cancelled
    FROM instances WHERE id = :id
""")
_CANCEL_WAITING = text("""
    UPDATE instances SET status = 'CANCELLED', lease_owner = NULL, lease_expires_at = NULL
    WHERE id = :id AND status IN ('PENDING', 'QUEUED') AND (cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL)
""")


# Every write of a holder asks for its attempt and its lease; no row, no write.
_HOLDS = "id = :id AND attempt = :attempt AND lease_owner = :owner AND status = 'RUNNING'"
_STOP = "cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL"
_LEASE = "lease_expires_at = clock_timestamp() + make_interval(secs => :lease)"
_NO_LEASE = "lease_owner = NULL, lease_expires_at = NULL"

_WATCH = text(f"SELECT {_STOP} AS cancelled FROM instances WHERE {_HOLDS}")
_RENEW = text(f"UPDATE instances SET {_LEASE} WHERE {_HOLDS} RETURNING {_STOP} AS cancelled")


def _telling(change: str, *, also: str = "") -> TextClause:
    """A change of the holder's row together with lines of its log, which take their numbers from the row."""
    return text(f"""
        WITH held AS (
            SELECT id, log_sequence FROM instances WHERE {_HOLDS} FOR UPDATE),
        changed AS (
            UPDATE instances AS i SET {change}, log_sequence = held.log_sequence + cardinality(CAST(:levels AS text[]))
            FROM held WHERE i.id = held.id
            RETURNING i.id, i.attempt, i.status, {_STOP} AS cancelled, held.log_sequence AS before),
        said AS (
            INSERT INTO instance_logs (instance_id, sequence, attempt, level, message, progress, logged_at)
            SELECT changed.id, changed.before + line.place, changed.attempt, line.level, line.message, line.progress,
                clock_timestamp() - make_interval(secs => line.age)
            FROM changed, unnest(CAST(:levels AS text[]), CAST(:messages AS text[]), CAST(:fractions AS float8[]),
                CAST(:ages AS float8[])) WITH ORDINALITY AS line(level, message, progress, age, place))
            {also}
        SELECT status, cancelled FROM changed
    """)


_SAY = _telling(_LEASE)
_PROGRESS = _telling(f"progress = :progress, progress_message = :message, {_LEASE}")
# A caller who saw that the run is being cancelled shall not find it succeeded.
_SUCCESS = _telling(
    f"""
        status = CASE WHEN i.cancel_requested_at IS NULL THEN 'SUCCEEDED' ELSE 'CANCELLED' END,
        result = CASE WHEN i.cancel_requested_at IS NULL THEN CAST(:result AS text) END,
        error_code = CASE WHEN i.cancel_requested_at IS NOT NULL THEN 'CANCELLED' END,
        error_message = CASE WHEN i.cancel_requested_at IS NOT NULL THEN 'Cancelled.' END,
        progress = CASE WHEN i.cancel_requested_at IS NULL THEN 1 ELSE i.progress END,
        progress_message = CASE WHEN i.cancel_requested_at IS NOT NULL THEN i.progress_message END,
        {_NO_LEASE}
    """,
    # With the ending, and only then, the files of this attempt begin to count.
    also="""
        , promoted AS (
            UPDATE instance_artifacts AS a SET promoted_at = clock_timestamp() FROM changed
            WHERE a.instance_id = changed.id AND a.attempt = changed.attempt AND changed.status = 'SUCCEEDED')
    """,
)
# Stored again after a failure, a file keeps its place.
_NOTE_FILE = text(f"""
    INSERT INTO instance_artifacts (id, instance_id, attempt, name, content_type, size_bytes, sha256, storage_key)
    SELECT :file, id, attempt, :name, :content_type, :size, :sha256, :key FROM instances WHERE {_HOLDS} FOR SHARE
    ON CONFLICT (instance_id, attempt, name) DO UPDATE
        SET content_type = excluded.content_type, size_bytes = excluded.size_bytes, sha256 = excluded.sha256
    RETURNING storage_key
""")
_END = _telling(f"status = :status, result = NULL, error_code = :code, error_message = :message, {_NO_LEASE}")
# The lease of a waiting run is its dispatcher's: once it is over, the sweeper sends the run again.
_RELEASE = _telling(
    f"""
        status = CASE WHEN {_STOP} THEN 'CANCELLED' ELSE 'QUEUED' END,
        error_code = CASE WHEN {_STOP} THEN 'CANCELLED' END,
        error_message = CASE WHEN {_STOP} THEN 'Cancelled.' END,
        progress = CASE WHEN {_STOP} THEN i.progress ELSE 0 END,
        progress_message = CASE WHEN {_STOP} THEN i.progress_message ELSE :message END,
        celery_task_id = NULL,
        lease_owner = CASE WHEN {_STOP} THEN NULL ELSE 'released' END,
        lease_expires_at = CASE WHEN {_STOP} THEN NULL ELSE clock_timestamp() + make_interval(secs => :wait) END
    """,
)


def _line_parameters(lines: Sequence[Line]) -> dict[str, Any]:
    """Lines as the parameters of a statement that tells them."""
    now = time.monotonic()
    return {
        "levels": [line.level for line in lines],
        "messages": [line.message for line in lines],
        "fractions": [line.progress for line in lines],
        "ages": [max(0.0, now - line.at) for line in lines],
    }


class RunStore:
    """The rows of runs, for a worker."""

    def __init__(self, database: SyncDatabase, *, lease_seconds: float, max_attempts: int) -> None:
        self._database = database
        self._lease = lease_seconds
        self._max_attempts = max_attempts

    @property
    def lease_seconds(self) -> float:
        return self._lease

    @property
    def max_attempts(self) -> int:
        return self._max_attempts

    def claim(self, instance_id: UUID, owner: str) -> Claim | None:
        """Take the run if it waits, or its holder is lost; None when there is nothing to take."""
        values = {"id": instance_id, "owner": owner, "lease": self._lease, "max_attempts": self._max_attempts}
        with self._database.unit_of_work() as session:
            row = session.execute(_CLAIM, values).mappings().one_or_none()
            if row is None:
                session.execute(_CANCEL_WAITING, {"id": instance_id})
                return None
        run = RunInput(
            instance_id=row["id"],
            owner_id=row["owner_id"],
            agent_id=row["agent_id"],
            workflow=row["workflow"],
            workflow_version=row["workflow_version"],
            attempt=row["attempt"],
            parameters=json_value(row["parameters"]),
            max_attempts=row["max_attempts"],
            timeout_seconds=row["timeout_seconds"],
        )
        return Claim(run, owner, waited_seconds=row["waited_seconds"] if run.attempt == 1 else None)

    def state(self, instance_id: UUID) -> str:
        """Why a run wasn't to be claimed, in words for a log."""
        with self._database.unit_of_work() as session:
            row = session.execute(_STATE, {"id": instance_id}).mappings().one_or_none()
        if row is None:
            return "missing"
        return "deleted" if row["deleted"] else f"{row['status']} in attempt {row['attempt']}"

    def watch(self, claim: Claim) -> Watch:
        """Look whether the run shall stop, without writing."""
        return self._ask(_WATCH, claim.guard)

    def renew(self, claim: Claim) -> Watch:
        """Hold the run for another lease."""
        return self._ask(_RENEW, claim.guard | {"lease": self._lease})

    def say(self, claim: Claim, lines: Sequence[Line]) -> Watch:
        """Add lines to the run's log; renews the lease as well."""
        return self._ask(_SAY, claim.guard | _line_parameters(lines) | {"lease": self._lease})

    def progress(self, claim: Claim, fraction: float, message: str, lines: Sequence[Line] = ()) -> Watch:
        """Tell how far the run is, and add lines to its log; renews the lease as well."""
        values = {"progress": min(1.0, max(0.0, fraction)), "message": clean(message, MAX_MESSAGE)}
        return self._ask(_PROGRESS, claim.guard | values | _line_parameters(lines) | {"lease": self._lease})

    def note_file(
        self, claim: Claim, file_id: UUID, *, name: str, content_type: str, size: int, sha256: bytes, key: str
    ) -> str:
        """Note a file that is about to be stored; the key under which it shall be."""
        about = {"file": file_id, "name": name, "content_type": content_type, "size": size, "sha256": sha256}
        noted: str = self._answer(_NOTE_FILE, claim.guard | about | {"key": key}).storage_key
        return noted

    def finish(
        self,
        claim: Claim,
        status: Ending,
        *,
        result: dict[str, Any] | None = None,
        code: str | None = None,
        message: str | None = None,
        lines: Sequence[Line] = (),
    ) -> Ending:
        """Write the one terminal state, with the last lines, and return it: a success after a cancel is none."""
        if status == "SUCCEEDED":
            result_text = None if result is None else json_text(result)
            row = self._answer(_SUCCESS, claim.guard | _line_parameters(lines) | {"result": result_text})
        else:
            said = None if message is None else clean(message, MAX_ERROR)
            values = {"status": status, "code": code, "message": said}
            row = self._answer(_END, claim.guard | _line_parameters(lines) | values)
        written: Ending = row.status
        return written

    def release(self, claim: Claim, message: str, lines: Sequence[Line] = (), *, wait: float = 0.0) -> str:
        """Give the run back to be tried again after `wait` seconds, or end it if it shall stop; which of the two."""
        values = {"message": clean(message, MAX_MESSAGE), "wait": wait}
        row = self._answer(_RELEASE, claim.guard | _line_parameters(lines) | values)
        return "RELEASED" if row.status == "QUEUED" else str(row.status)

    def _ask(self, statement: TextClause, values: dict[str, Any]) -> Watch:
        return Watch(cancelled=bool(self._answer(statement, values).cancelled))

    def _answer(self, statement: TextClause, values: dict[str, Any]) -> Row[Any]:
        """Return the row that a statement of the holder gives back."""
        with self._database.unit_of_work() as session:
            row = session.execute(statement, values).one_or_none()
            if statement in (_SUCCESS, _END):
                killpoints.reach("worker.ending")
        if row is None:
            raise Fenced(str(values["id"]))
        return row
