"""Rules of schedules: who may make, see, change, pause, resume and delete them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.cron import CronError, next_firing
from shared_schema.models import Instance, Schedule
from shared_schema.states import MissedFirings, OverlapPolicy
from subgraphs.common.caller import Caller, Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, FieldProblem, ValidationRefusal
from subgraphs.common.pagination import Order, count_all
from subgraphs.common.parameters import ParameterChecks
from subgraphs.instance import repository
from subgraphs.instance.access import writable, writable_workspace
from subgraphs.instance.making import Maker, NewInstance, name_problems, shape_problems
from subgraphs.instance.settings import InstanceSettings

logger = logging.getLogger("subgraphs.instance")

NEWEST: Order[Schedule] = Order("newest", Schedule.created_at, Schedule.id, descending=True)
RUNS: Order[Instance] = Order("runs", Instance.created_at, Instance.id, descending=True)


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule to be made: its runs, as for one instance or as an instance did, and its times."""

    what: NewInstance
    instance_id: UUID | None
    cron: str
    time_zone: str
    missed: MissedFirings
    overlap: OverlapPolicy


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """Changes of a schedule; a field that is None stays as it is."""

    name: str | None = None
    cron: str | None = None
    time_zone: str | None = None
    missed: MissedFirings | None = None
    overlap: OverlapPolicy | None = None


def living() -> Select[Schedule]:
    """Schedules that were not deleted."""
    return select(Schedule).where(Schedule.deleted_at.is_(None))


def visible_schedule(caller: Caller, row: Schedule | None) -> Schedule | None:
    """The schedule, if it is in a workspace of the caller's or the caller is an admin; else as if it did not exist."""
    return row if row is not None and caller.reads_in(row.workspace_id, Scope.INSTANCES_READ) else None


class ScheduleService:
    """Schedules; one for the process."""

    def __init__(self, store: Store, settings: InstanceSettings, checks: ParameterChecks) -> None:
        self._store = store
        self._settings = settings
        self._maker = Maker(store, settings, checks)

    async def create(self, caller: Caller, new: NewSchedule) -> Schedule:
        """Make a schedule; its first firing is the next moment that its expression names."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        if new.instance_id is not None:
            if new.what.origin.fields() or new.what.parameters is not None:
                raise ValidationRefusal.at("instanceId", "Give it alone, and the inputs are the instance's.")
            problems = name_problems(new.what.name) if new.what.name is not None else []
        else:
            problems = shape_problems(new.what, in_place_of_origin=["instanceId"])
        problems += timing_problems(new.cron, new.time_zone)
        if problems:
            raise ValidationRefusal(problems)
        if new.instance_id is not None:
            plan, workspace_id = await self._maker.plan_again(new.instance_id, caller)
        else:
            workspace_id = writable_workspace(caller, new.what.workspace_id)
            plan = await self._maker.plan(new.what)
        async with self._store.unit_of_work() as session:
            await repository.lock_owner(session, owner_id)
            max_schedules = self._settings.schedules_per_account
            if await count_all(session, living().where(Schedule.owner_id == owner_id)) >= max_schedules:
                raise ConflictRefusal(f"You have {max_schedules} schedules, which is as many as may.")
            schedule = Schedule(
                owner_id=owner_id,
                workspace_id=workspace_id,
                agent_id=plan.agent.id,
                template_id=plan.template.id if plan.template else None,
                name=(new.what.name or "").strip() or plan.name,
                parameters=plan.parameters,
                cron=new.cron.strip(),
                time_zone=new.time_zone,
                missed=new.missed,
                overlap=new.overlap,
                next_fire_at=await _next(session, new.cron, new.time_zone),
            )
            session.add(schedule)
            await session.flush()
        logger.info("Schedule %s of agent %s created by %s", schedule.id, plan.agent.slug, owner_id)
        return schedule

    async def update(self, caller: Caller, schedule_id: UUID, change: ScheduleChange) -> Schedule:
        """Change when it fires, or its name."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        if change.name is not None:
            problems = name_problems(change.name)
            if problems or not change.name.strip():
                raise ValidationRefusal(problems or [FieldProblem(("name",), "This must not be empty.")])
        async with self._store.unit_of_work() as session:
            schedule = await _locked(session, schedule_id, caller)
            cron, time_zone = change.cron or schedule.cron, change.time_zone or schedule.time_zone
            if problems := timing_problems(cron, time_zone):
                raise ValidationRefusal(problems)
            if (cron, time_zone) != (schedule.cron, schedule.time_zone):
                schedule.cron, schedule.time_zone = cron.strip(), time_zone
                if schedule.paused_at is None:
                    schedule.next_fire_at = await _next(session, cron, time_zone)
            schedule.name = (change.name or schedule.name).strip()
            schedule.missed = change.missed or schedule.missed
            schedule.overlap = change.overlap or schedule.overlap
            await session.flush()
        logger.info("Schedule %s changed by %s", schedule_id, owner_id)
        return schedule

    async def pause(self, caller: Caller, schedule_id: UUID) -> Schedule:
        """Let it fire no more until it is resumed; what would have fired meanwhile is not made up for."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        async with self._store.unit_of_work() as session:
            schedule = await _locked(session, schedule_id, caller)
            if schedule.paused_at is None:
                schedule.paused_at, schedule.next_fire_at = await repository.database_now(session), None
                await session.flush()
        logger.info("Schedule %s paused by %s", schedule_id, owner_id)
        return schedule

    async def resume(self, caller: Caller, schedule_id: UUID) -> Schedule:
        """Let it fire again, from now on."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        async with self._store.unit_of_work() as session:
            schedule = await _locked(session, schedule_id, caller)
            if schedule.paused_at is not None:
                schedule.next_fire_at = await _next(session, schedule.cron, schedule.time_zone)
                schedule.paused_at = schedule.last_error = None
                await session.flush()
        logger.info("Schedule %s resumed by %s", schedule_id, owner_id)
        return schedule

    async def delete(self, caller: Caller, schedule_id: UUID) -> Schedule:
        """Let it fire no more; the instances that it made stay."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        async with self._store.unit_of_work() as session:
            schedule = await _locked(session, schedule_id, caller)
            schedule.deleted_at, schedule.next_fire_at = await repository.database_now(session), None
            await session.flush()
        logger.info("Schedule %s deleted by %s", schedule_id, owner_id)
        return schedule


def timing_problems(cron: str, time_zone: str) -> list[FieldProblem]:
    """Problems of a schedule's times."""
    moment = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    try:
        next_firing("* * * * *", time_zone, moment)
    except CronError as error:
        return [FieldProblem(("timeZone",), str(error))]
    try:
        next_firing(cron, time_zone, moment)
    except CronError as error:
        return [FieldProblem(("cron",), str(error))]
    return []


async def _next(session: AsyncSession, cron: str, time_zone: str) -> datetime:
    return next_firing(cron, time_zone, await repository.database_now(session))


async def _locked(session: AsyncSession, schedule_id: UUID, caller: Caller) -> Schedule:
    statement = living().where(Schedule.id == schedule_id).with_for_update()
    return writable(caller, (await session.scalars(statement)).one_or_none(), "schedule")
