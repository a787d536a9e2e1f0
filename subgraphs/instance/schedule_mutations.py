"""The root fields that change schedules."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.mutation` used as a decorator has no type of its own.)

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import strawberry

from shared_schema import models
from subgraphs.common.ids import input_id
from subgraphs.common.results import TypedError, attempt
from subgraphs.instance.access import workspace_of
from subgraphs.instance.context import Info
from subgraphs.instance.making import NewInstance
from subgraphs.instance.origin import Origin
from subgraphs.instance.schedule_types import (
    CreateScheduleInput,
    CreateScheduleResult,
    CreateScheduleSuccess,
    DeleteScheduleResult,
    DeleteScheduleSuccess,
    PauseScheduleResult,
    PauseScheduleSuccess,
    ResumeScheduleResult,
    ResumeScheduleSuccess,
    Schedule,
    UpdateScheduleInput,
    UpdateScheduleResult,
    UpdateScheduleSuccess,
)
from subgraphs.instance.scheduling import NewSchedule, ScheduleChange

S = TypeVar("S", CreateScheduleSuccess, UpdateScheduleSuccess, PauseScheduleSuccess, ResumeScheduleSuccess)


async def _answer(info: Info, success: type[S], work: Awaitable[models.Schedule]) -> S | TypedError:
    async def done() -> S:
        return success(schedule=Schedule.of(await work))

    return await attempt(info, done())


@strawberry.type
class ScheduleMutation:
    """Mutations of schedules."""

    @strawberry.mutation(description="Run something again and again, by a cron expression.")
    async def create_schedule(self, info: Info, input: CreateScheduleInput) -> CreateScheduleResult:
        async def work() -> models.Schedule:
            what = NewInstance(
                input.name, Origin.of(input), input.parameters, workspace_id=workspace_of(input.workspace_id)
            )
            instance_id = input.instance_id
            made_from = None if instance_id is None else input_id("Instance", instance_id, "instanceId")
            new = NewSchedule(what, made_from, input.cron, input.time_zone, input.missed, input.overlap)
            return await info.context.schedules.create(info.context.caller, new)

        return await _answer(info, CreateScheduleSuccess, work())

    @strawberry.mutation(description="Change when a schedule fires, or its name.")
    async def update_schedule(self, info: Info, id: strawberry.ID, input: UpdateScheduleInput) -> UpdateScheduleResult:
        async def work() -> models.Schedule:
            change = ScheduleChange(input.name, input.cron, input.time_zone, input.missed, input.overlap)
            return await info.context.schedules.update(info.context.caller, input_id("Schedule", id), change)

        return await _answer(info, UpdateScheduleSuccess, work())

    @strawberry.mutation(description="Let a schedule fire no more, until it is resumed.")
    async def pause_schedule(self, info: Info, id: strawberry.ID) -> PauseScheduleResult:
        async def work() -> models.Schedule:
            return await info.context.schedules.pause(info.context.caller, input_id("Schedule", id))

        return await _answer(info, PauseScheduleSuccess, work())

    @strawberry.mutation(description="Let a paused schedule fire again, from now on.")
    async def resume_schedule(self, info: Info, id: strawberry.ID) -> ResumeScheduleResult:
        async def work() -> models.Schedule:
            return await info.context.schedules.resume(info.context.caller, input_id("Schedule", id))

        return await _answer(info, ResumeScheduleSuccess, work())

    @strawberry.mutation(description="Delete a schedule; what it has started stays.")
    async def delete_schedule(self, info: Info, id: strawberry.ID) -> DeleteScheduleResult:
        async def work() -> DeleteScheduleSuccess:
            row = await info.context.schedules.delete(info.context.caller, input_id("Schedule", id))
            schedule = Schedule.of(row)
            return DeleteScheduleSuccess(id=schedule.id, schedule=schedule)

        return await attempt(info, work())
