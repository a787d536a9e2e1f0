"""The holder of a run -> its row: claim, renew, progress, finish, each guarded by attempt and lease.

The attempt is the fencing token. Every write asks for it, for the lease's owner and for RUNNING; when no row
answers, another holds the run by now, and the caller stops without a trace (`Fenced`). Times are the database's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, TextClause, text

from shared_schema import killpoints
from shared_schema.contracts.runs import RunInput
from shared_schema.database import SyncDatabase

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

    @property
    def guard(self) -> dict[str, Any]:
        return {"id": self.run.instance_id, "attempt": self.run.attempt, "owner": self.owner}


@dataclass(frozen=True, slots=True)
class Watch:
    """What the row says to its holder."""

    cancelled: bool


_CLAIM = text("""
    UPDATE instances AS i
    SET status = 'RUNNING', attempt = i.attempt + 1, progress = 0, progress_message = NULL,
        lease_owner = :owner, lease_expires_at = clock_timestamp() + make_interval(secs => :lease)
    FROM agents AS a
    WHERE i.id = :id AND a.id = i.agent_id
      AND i.deleted_at IS NULL AND i.cancel_requested_at IS NULL AND i.attempt < :max_attempts
      AND (i.status IN ('PENDING', 'QUEUED') OR (i.status = 'RUNNING' AND i.lease_expires_at < clock_timestamp()))
    RETURNING i.id, i.owner_id, i.agent_id, i.attempt, i.parameters, a.workflow, a.workflow_version
""")
_STATE = text("""
    SELECT status, attempt, deleted_at IS NOT NULL AS deleted, cancel_requested_at IS NOT NULL AS cancelled
    FROM instances WHERE id = :id
""")
_CANCEL_WAITING = text("""
    UPDATE instances SET status = 'CANCELLED', lease_owner = NULL, lease_expires_at = NULL
    WHERE id = :id AND status IN ('PENDING', 'QUEUED') AND (cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL)
""")


def _guarded(change: str, answer: str = "") -> TextClause:
    """A statement that only the holder's row answers."""
    holds = "id = :id AND attempt = :attempt AND lease_owner = :owner AND status = 'RUNNING'"
    return text(f"{change} WHERE {holds} {answer}")


_STOP = "cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL AS cancelled"
_WATCH = _guarded(
    "SELECT cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL AS cancelled FROM instances",
)
_RENEW = _guarded(
    "UPDATE instances SET lease_expires_at = clock_timestamp() + make_interval(secs => :lease)",
    f"RETURNING {_STOP}",
)
_PROGRESS = _guarded(
    """
    UPDATE instances SET progress = :progress, progress_message = :message,
        lease_expires_at = clock_timestamp() + make_interval(secs => :lease)
    """,
    f"RETURNING {_STOP}",
)
# Whoever was told that the run is being cancelled shall not find it succeeded.
_SUCCESS = _guarded(
    """
    UPDATE instances SET
        status = CASE WHEN cancel_requested_at IS NULL THEN 'SUCCEEDED' ELSE 'CANCELLED' END,
        result = CASE WHEN cancel_requested_at IS NULL THEN CAST(:result AS jsonb) END,
        error_code = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED' END,
        error_message = CASE WHEN cancel_requested_at IS NOT NULL THEN 'Cancelled.' END,
        progress = CASE WHEN cancel_requested_at IS NULL THEN 1 ELSE progress END,
        progress_message = CASE WHEN cancel_requested_at IS NOT NULL THEN progress_message END,
        lease_owner = NULL, lease_expires_at = NULL
    """,
    "RETURNING status",
)
_END = _guarded(
    """
    UPDATE instances SET status = :status, result = NULL, error_code = :code, error_message = :message,
        lease_owner = NULL, lease_expires_at = NULL
    """,
    "RETURNING status",
)
# The lease of a waiting run is its dispatcher's: once it is over, the sweeper sends the run again.
_RELEASE = _guarded(
    """
    UPDATE instances SET status = 'QUEUED', progress = 0, progress_message = :message,
        lease_owner = 'released', lease_expires_at = clock_timestamp()
    """,
    "AND cancel_requested_at IS NULL AND deleted_at IS NULL RETURNING status",
)


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
            parameters=row["parameters"],
        )
        return Claim(run=run, owner=owner)

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

    def progress(self, claim: Claim, fraction: float, message: str) -> Watch:
        """Tell how far the run is; renews the lease as well."""
        values = {"progress": min(1.0, max(0.0, fraction)), "message": message[:MAX_MESSAGE], "lease": self._lease}
        return self._ask(_PROGRESS, claim.guard | values)

    def finish(
        self,
        claim: Claim,
        status: Ending,
        *,
        result: dict[str, Any] | None = None,
        code: str | None = None,
        message: str | None = None,
    ) -> Ending:
        """Write the one terminal state and return it: a success that comes after a cancel is none."""
        if status == "SUCCEEDED":
            found = None if result is None else json.dumps(result, allow_nan=False)
            row = self._answer(_SUCCESS, claim.guard | {"result": found})
        else:
            text = None if message is None else message[:MAX_ERROR]
            row = self._answer(_END, claim.guard | {"status": status, "code": code, "message": text})
        written: Ending = row.status
        return written

    def release(self, claim: Claim, message: str) -> None:
        """Give the run back to be tried again."""
        self._answer(_RELEASE, claim.guard | {"message": message[:MAX_MESSAGE]})

    def _ask(self, statement: TextClause, values: dict[str, Any]) -> Watch:
        return Watch(cancelled=bool(self._answer(statement, values).cancelled))

    def _answer(self, statement: TextClause, values: dict[str, Any]) -> Row[Any]:
        """What the holder's row answers."""
        with self._database.unit_of_work() as session:
            row = session.execute(statement, values).one_or_none()
            if statement in (_SUCCESS, _END):
                killpoints.reach("worker.ending")
        if row is None:
            raise Fenced(str(values["id"]))
        return row
