"""An account's waiting runs -> those that may be sent to workers now, so that no account has more than its share there.

A run is admitted under its account's lock: while fewer of the account's runs are with the workers (QUEUED, RUNNING,
or being sent) than may be, the oldest that waits gets a lease of its sender. The others stay PENDING until the event of
an ending says that there is a place. So the queue of the workers holds a few runs of each account, never a thousand
of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text


@dataclass(frozen=True, slots=True)
class Admitted:
    """A run that is to be sent; its own timeout and the trace it was made in, if it has them."""

    instance_id: UUID
    timeout_seconds: int | None
    traceparent: str | None

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Admitted:
        """A row of `ADMIT` or of a sweep."""
        return cls(row["id"], row["timeout_seconds"], row["traceparent"] or None)


# The owner's lock, which the instance subgraph takes as well when it counts. Released with the transaction.
LOCK = text("SELECT pg_advisory_xact_lock(:key)")
# A statement of its own after the lock: its snapshot sees what the one before has committed. The runs are chosen in an
# array, once: a plan may read a subquery of IN again for each row, and each reading would choose further runs.
ADMIT = text("""
    WITH active AS (
        SELECT count(*) AS runs FROM instances
        WHERE owner_id = :owner AND deleted_at IS NULL
          AND (status IN ('QUEUED', 'RUNNING') OR (status = 'PENDING' AND lease_expires_at > clock_timestamp())))
    UPDATE instances SET lease_owner = 'dispatcher',
        lease_expires_at = clock_timestamp() + make_interval(secs => :sending)
    WHERE id = ANY (ARRAY (
        SELECT id FROM instances
        WHERE owner_id = :owner AND status = 'PENDING' AND deleted_at IS NULL AND cancel_requested_at IS NULL
          AND coalesce(lease_expires_at, '-infinity') <= clock_timestamp()
        ORDER BY created_at, id LIMIT (SELECT greatest(0, :max_runs - runs) FROM active) FOR UPDATE SKIP LOCKED))
    RETURNING id, timeout_seconds, traceparent
""")
SENT = text("""
    UPDATE instances
    SET status = 'QUEUED', celery_task_id = :task_id,
        lease_owner = 'dispatcher', lease_expires_at = clock_timestamp() + make_interval(secs => :claim_timeout)
    WHERE id = :id AND status IN ('PENDING', 'QUEUED') AND deleted_at IS NULL AND cancel_requested_at IS NULL
""")
NOT_SENT = text("""
    UPDATE instances SET lease_owner = NULL, lease_expires_at = NULL
    WHERE id = :id AND status = 'PENDING' AND lease_owner = 'dispatcher'
""")
# Accounts that have a place and a run that has waited beyond the claim's timeout (its event was lost, or a place became
# free unheard).
OWNERS: TextClause = text("""
    SELECT waiting.owner_id FROM (
        SELECT owner_id, min(created_at) AS since FROM instances
        WHERE status = 'PENDING' AND deleted_at IS NULL AND cancel_requested_at IS NULL
          AND coalesce(lease_expires_at, created_at + make_interval(secs => :claim_timeout)) < clock_timestamp()
        GROUP BY owner_id) AS waiting
    WHERE :max_runs > (
        SELECT count(*) FROM instances AS i
        WHERE i.owner_id = waiting.owner_id AND i.deleted_at IS NULL AND i.status IN ('QUEUED', 'RUNNING'))
    ORDER BY waiting.since LIMIT :rows
""")


def lock_key(owner_id: UUID) -> int:
    """The number of an account's lock."""
    return int.from_bytes(owner_id.bytes[-8:], signed=True)
