"""What callers did and what was refused to them -> the audit log, directly or by an event.

The log is a table of `user_psql`. Identity writes there; the other subgraphs write an event `audit.recorded` into their
outbox, which `event_broker.audit_trail` brings to the table. A change and its entry commit together in both.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema import audit
from shared_schema.contracts.events import AuditRecorded
from shared_schema.database import LAST_ROWS
from shared_schema.ids import new_id
from shared_schema.models import AuditEntry, SharedOutbox
from subgraphs.common.caller import Caller
from subgraphs.common.context import Denial, RequestContext, Store

logger = logging.getLogger(__name__)

#: Equal refusals of one caller become one entry in this time, with their number.
FOLD_SECONDS: Final = 60.0
#: Callers and fields whose refusals are counted apart; those beyond are counted together.
MAX_FOLDS: Final = 10_000
_RETRY_SECONDS: Final = 1.0
DENIED: Final = "access.denied"


@dataclass(frozen=True, slots=True)
class Fact:
    """An action of a caller, on an object, and its outcome: SUCCESS, FAILURE or DENIED."""

    action: str
    outcome: str
    caller: Caller
    object_type: str | None = None
    object_id: Any = None
    detail: Mapping[str, Any] = field(default_factory=dict)


Writer = Callable[[AsyncSession, Fact], None]


def into_log(session: AsyncSession, fact: Fact) -> None:
    """Write an entry of the log in this unit of work; for identity, whose database has it."""
    caller = fact.caller
    entry = AuditEntry(
        source="identity",
        action=fact.action,
        outcome=fact.outcome,
        actor_id=caller.account_id,
        credential=caller.credential,
        session_id=caller.session_id,
        object_type=fact.object_type,
        object_id=fact.object_id,
        ip_address=caller.facts.ip_address,
        user_agent=caller.facts.user_agent,
        detail=dict(fact.detail),
    )
    audit.write(session, entry)


def by_event(source: str) -> Writer:
    """A writer of events in the outbox of `shared_psql`, for the subgraph `source`."""

    def write(session: AsyncSession, fact: Fact) -> None:
        caller = fact.caller
        data = AuditRecorded(
            id=new_id(),
            version=1,
            owner_id=caller.account_id,
            source=source,
            action=fact.action,
            outcome=fact.outcome,
            credential=caller.credential,
            credential_id=caller.session_id,
            object_type=fact.object_type,
            object_id=fact.object_id,
            ip_address=caller.facts.ip_address,
            user_agent=caller.facts.user_agent,
            detail=dict(fact.detail),
        )
        # A plain insert: a service's role may add to the outbox and read nothing of it.
        values = {
            "aggregate_type": "audit",
            "aggregate_id": data.id,
            "version": data.version,
            "event_type": "audit.recorded",
            "data": data.model_dump(mode="json"),
        }
        session.info.setdefault(LAST_ROWS, []).append(insert(SharedOutbox).values(values).inline())

    return write


@dataclass(slots=True)
class _Fold:
    caller: Caller
    denial: Denial
    due: float
    times: int = 1


class Denials:
    """Writes refusals in the background: the first at once, then its repeats as one entry a minute."""

    def __init__(self, store: Store, write: Writer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._write = write
        self._clock = clock
        self._folds: dict[tuple[object, ...], _Fold] = {}
        self._wake_up = asyncio.Event()

    def note(self, context: RequestContext) -> None:
        """Count the refusals of a request."""
        for denial in context.denials:
            self.count(context.caller, denial)

    def count(self, caller: Caller, denial: Denial) -> None:
        """Count a refusal."""
        who = (caller.account_id, caller.session_id) if caller.is_authenticated else (caller.facts.network,)
        key: tuple[object, ...] = (who, denial.field, denial.code)
        if key not in self._folds and len(self._folds) >= MAX_FOLDS:
            key = (denial.field, denial.code)
        fold = self._folds.get(key)
        if fold is not None:
            fold.times += 1
        else:
            self._folds[key] = _Fold(caller, denial, self._clock())
            self._wake_up.set()

    async def run(self) -> None:
        """Write what is due until it is cancelled; then what is left."""
        try:
            while True:
                self._wake_up.clear()
                await self._write_due()
                due = min((fold.due for fold in self._folds.values()), default=None)
                timeout = None if due is None else max(due - self._clock(), 0.01)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake_up.wait(), timeout)
        finally:
            for fold in self._folds.values():
                fold.due = float("-inf")
            await self._write_due()

    async def _write_due(self) -> None:
        now = self._clock()
        due = {key: fold for key, fold in self._folds.items() if fold.due <= now}
        for key in [key for key, fold in due.items() if not fold.times]:
            del self._folds[key], due[key]
        if not due:
            return
        counts = {key: fold.times for key, fold in due.items()}
        try:
            async with self._store.unit_of_work() as session:
                for key, fold in due.items():
                    self._write(session, _fact(fold, counts[key]))
        except Exception as problem:
            logger.warning("%d refusals are not in the audit log yet, again in a second: %r", len(due), problem)
            for fold in due.values():
                fold.due = now + _RETRY_SECONDS
            return
        for key, fold in due.items():
            fold.times -= counts[key]
            fold.due = now + FOLD_SECONDS


def _fact(fold: _Fold, times: int) -> Fact:
    denial = fold.denial
    detail = {"field": denial.field, "code": denial.code, "times": times}
    return Fact(DENIED, "DENIED", fold.caller, denial.object_type, denial.object_id, detail)
