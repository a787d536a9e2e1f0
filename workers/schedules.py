"""Schedules that are due -> an instance for each firing, at most once, however many schedulers look.

The schedule's row is locked while its firing makes an instance and names the next one: both are committed together or
not at all. That a second scheduler makes none is the lock's doing; that none ever could, a unique index's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.cron import CronError, next_firing
from shared_schema.database import Database
from shared_schema.models import Agent, Instance, Schedule, Template
from shared_schema.states import TERMINAL, InstanceStatus, MissedFirings, OverlapPolicy, PublicationStatus
from workers.logs import brief
from workers.metrics import FIRED
from workers.runs.admission import LOCK, lock_key
from workers.settings import WorkerSettings

logger = logging.getLogger("workers.schedules")

_NOW = text("SELECT clock_timestamp()")
_ACTIVE = [status for status in InstanceStatus if status not in TERMINAL]


class Scheduler:
    """Fires schedules until it is stopped. Several may run."""

    def __init__(self, database: Database, settings: WorkerSettings | None = None) -> None:
        self._database = database
        self._settings = settings or WorkerSettings()

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second or so until `stop` is set."""
        while not stop.is_set():
            try:
                while await self.fire() and not stop.is_set():
                    pass
            except (DBAPIError, OSError) as error:
                logger.warning("schedules can't be looked at, trying again: %s", brief(error))
            except Exception:  # whatever it is, the other schedules need the next round
                logger.exception("firing schedules failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.schedule_interval_seconds)

    async def fire(self) -> bool:
        """Fire the schedule that is due the longest and that no other scheduler has. Return False if there is none."""
        async with self._database.unit_of_work() as session:
            due = (
                select(Schedule)
                .where(Schedule.next_fire_at <= func.clock_timestamp())
                .order_by(Schedule.next_fire_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            schedule = (await session.scalars(due)).one_or_none()
            if schedule is None:
                return False
            now: datetime = (await session.execute(_NOW)).scalar_one()
            outcome = await self._deal_with(session, schedule, now)
        FIRED.labels(outcome).inc()
        logger.info(
            "schedule due", extra={"schedule": str(schedule.id), "outcome": outcome, "reason": schedule.last_error}
        )
        return True

    async def _deal_with(self, session: AsyncSession, schedule: Schedule, now: datetime) -> str:
        assert schedule.next_fire_at is not None
        planned = schedule.next_fire_at
        try:
            following = next_firing(schedule.cron, schedule.time_zone, planned)
            # Of several that were missed the last one counts.
            late = now - planned > timedelta(seconds=self._settings.schedule_grace_seconds)
            missed = late and schedule.missed is MissedFirings.SKIP
            schedule.next_fire_at = (
                following if following > now else next_firing(schedule.cron, schedule.time_zone, now)
            )
        except CronError as error:
            # It was one when it was made: a newer table of time zones or of code says otherwise.
            schedule.next_fire_at, schedule.paused_at, schedule.last_error = None, now, f"Paused: {error}"[:500]
            return "paused"
        if missed:
            schedule.last_error = f"The firing of {planned:%Y-%m-%d %H:%M} UTC was missed, and skipped."
            return "skipped"
        if schedule.overlap is OverlapPolicy.SKIP and await _goes_on(session, schedule):
            schedule.last_error = (
                f"The firing of {planned:%Y-%m-%d %H:%M} UTC was skipped: an instance of an earlier one had not ended."
            )
            return "overlapped"
        schedule.last_error = await self._make(session, schedule, planned)
        if schedule.last_error is None:
            schedule.last_fired_at = now
        return "refused" if schedule.last_error else "fired"

    async def _make(self, session: AsyncSession, schedule: Schedule, planned: datetime) -> str | None:
        """Make the firing's instance, or say why there is none."""
        await session.execute(LOCK, {"key": lock_key(schedule.owner_id)})
        agent = await session.get(Agent, schedule.agent_id)
        if agent is None or agent.status is not PublicationStatus.PUBLISHED:
            return "Nothing was started: the agent is not published any more."
        template = await session.get(Template, schedule.template_id) if schedule.template_id else None
        if template is not None and template.status is not PublicationStatus.PUBLISHED:
            return "Nothing was started: the template is not published any more."
        max_active = self._settings.instances_active_per_account
        if await _active(session, schedule.owner_id) >= max_active:
            return f"Nothing was started: {max_active} instances waited or ran already, which is as many as may."
        session.add(
            Instance(
                owner_id=schedule.owner_id,
                workspace_id=schedule.workspace_id,
                agent_id=agent.id,
                template_id=schedule.template_id,
                name=schedule.name,
                parameters=schedule.parameters,
                max_attempts=template.max_attempts if template else None,
                timeout_seconds=template.timeout_seconds if template else None,
                schedule_id=schedule.id,
                scheduled_for=planned,
            )
        )
        await session.flush()
        return None


async def _goes_on(session: AsyncSession, schedule: Schedule) -> bool:
    """True if an instance that the schedule has made waits or runs."""
    # By the owner's few active instances, for which there is an index: a schedule may have made many thousands.
    going_on = select(Instance.id).where(
        Instance.owner_id == schedule.owner_id,
        Instance.schedule_id == schedule.id,
        Instance.deleted_at.is_(None),
        Instance.status.in_(_ACTIVE),
    )
    return (await session.scalars(going_on.limit(1))).first() is not None


async def _active(session: AsyncSession, owner_id: UUID) -> int:
    counted = select(func.count()).where(
        Instance.owner_id == owner_id, Instance.deleted_at.is_(None), Instance.status.in_(_ACTIVE)
    )
    count: int = (await session.execute(counted)).scalar_one()
    return count
