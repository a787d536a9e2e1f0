"""A schedule as clients see it, and what its mutations take and answer."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from sqlalchemy import select

from shared_schema import models, states
from shared_schema.cron import next_firing
from shared_schema.ids import to_global_id
from subgraphs.common.connection import After, Before, Connection, First, Last, list_connection
from subgraphs.common.errors import BadInput
from subgraphs.common.ids import reference_id
from subgraphs.common.pagination import PageRequest
from subgraphs.common.results import TypedError
from subgraphs.common.scalars import JSON
from subgraphs.instance.context import Info
from subgraphs.instance.origin import AGENT_ID, AGENT_SLUG, TEMPLATE_ID, TEMPLATE_SLUG
from subgraphs.instance.scheduling import RUNS, visible_schedule
from subgraphs.instance.types import Account, Agent, Instance, Template, Workspace

CRON = "Five fields, such as `0 6 * * 1-5`, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."
TIME_ZONE = "In which the expression is read: an IANA name, such as `Europe/Berlin`."
MAX_FIRINGS = 50

strawberry.enum(
    states.MissedFirings,
    name="MissedFirings",
    description="What happens with firings for which the platform was not there: none is made up for, or the last one.",
)

strawberry.enum(
    states.OverlapPolicy,
    name="OverlapPolicy",
    description="What happens with a firing while an instance of an earlier one has not ended: it starts another, "
    "or nothing.",
)


@strawberry.federation.type(keys=["id"], description="When to run something again and again.")
class Schedule:
    id: strawberry.ID
    name: str
    cron: str
    time_zone: str
    missed: states.MissedFirings
    overlap: states.OverlapPolicy
    next_firing_at: datetime | None = strawberry.field(description="Null while it is paused.")
    last_fired_at: datetime | None
    last_error: str | None = strawberry.field(description="Why the last firing started nothing, if it did not.")
    paused_at: datetime | None
    is_paused: bool
    version: int = strawberry.field(description="Grows with every change.")
    agent: Agent | None
    template: Template | None
    owner: Account | None = strawberry.field(description="Who made it.")
    workspace: Workspace | None = strawberry.field(description="Whose it is.")
    parameters: JSON
    created_at: datetime
    updated_at: datetime
    row: strawberry.Private[models.Schedule]

    @classmethod
    def of(cls, row: models.Schedule) -> Schedule:
        """The schedule as clients see it."""
        template = None
        if row.template_id is not None:
            template = Template(id=strawberry.ID(to_global_id("Template", row.template_id)))
        return cls(
            id=strawberry.ID(to_global_id("Schedule", row.id)),
            name=row.name,
            cron=row.cron,
            time_zone=row.time_zone,
            missed=row.missed,
            overlap=row.overlap,
            next_firing_at=row.next_fire_at,
            last_fired_at=row.last_fired_at,
            last_error=row.last_error,
            paused_at=row.paused_at,
            is_paused=row.paused_at is not None,
            version=row.version,
            agent=Agent(id=strawberry.ID(to_global_id("Agent", row.agent_id))),
            template=template,
            owner=Account.of(row.owner_id),
            workspace=Workspace.of(row.workspace_id),
            parameters=JSON(row.parameters),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Schedule | None:
        """The schedule, if the caller may see it; all of a request's come in one query."""
        schedule_id = reference_id("Schedule", id)
        row = await info.context.loaders.schedules.load(schedule_id) if schedule_id else None
        row = visible_schedule(info.context.caller, row)
        return cls.of(row) if row else None

    @strawberry.field(
        description=f"The next moments at which it fires, at most {MAX_FIRINGS}; none while it is paused."
    )
    def upcoming(self, first: int = 5) -> list[datetime]:
        if not 0 <= first <= MAX_FIRINGS:
            raise BadInput(f"`first` must be between 0 and {MAX_FIRINGS}.")
        moment, moments = self.row.next_fire_at, list[datetime]()
        while moment is not None and len(moments) < first:
            moments.append(moment)
            moment = next_firing(self.row.cron, self.row.time_zone, moment)
        return moments

    @strawberry.field(description="What it started, the newest first.")
    async def instances(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Instance] | None:
        statement = select(models.Instance).where(
            models.Instance.schedule_id == self.row.id, models.Instance.deleted_at.is_(None)
        )
        request = PageRequest.of(first, after, last, before)
        return await list_connection(info.context.store, statement, RUNS, request, Instance.of)


@strawberry.input
class CreateScheduleInput:
    cron: str = strawberry.field(description=CRON)
    time_zone: str = strawberry.field(default="UTC", description=TIME_ZONE)
    missed: states.MissedFirings = states.MissedFirings.RUN_ONCE
    overlap: states.OverlapPolicy = states.OverlapPolicy.SKIP
    name: str | None = strawberry.field(default=None, description="Of the schedule and of what it starts.")
    agent_id: strawberry.ID | None = strawberry.field(default=None, description=f"{AGENT_ID} Or `instanceId`.")
    template_id: strawberry.ID | None = strawberry.field(default=None, description=TEMPLATE_ID)
    agent_slug: str | None = strawberry.field(default=None, description=AGENT_SLUG)
    template_slug: str | None = strawberry.field(default=None, description=TEMPLATE_SLUG)
    instance_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose inputs to use, one of yours; in place of an agent or a template."
    )
    parameters: JSON | None = strawberry.field(default=None, description="As for `createInstance`; checked now.")
    workspace_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose it is to be: a workspace; your personal one if it is left out."
    )


@strawberry.input(description="What is left out, or null, stays as it is.")
class UpdateScheduleInput:
    name: str | None = None
    cron: str | None = strawberry.field(default=None, description=CRON)
    time_zone: str | None = strawberry.field(default=None, description=TIME_ZONE)
    missed: states.MissedFirings | None = None
    overlap: states.OverlapPolicy | None = None


@strawberry.type
class CreateScheduleSuccess:
    schedule: Schedule


CreateScheduleResult = Annotated[CreateScheduleSuccess | TypedError, strawberry.union("CreateScheduleResult")]


@strawberry.type
class UpdateScheduleSuccess:
    schedule: Schedule


UpdateScheduleResult = Annotated[UpdateScheduleSuccess | TypedError, strawberry.union("UpdateScheduleResult")]


@strawberry.type
class PauseScheduleSuccess:
    schedule: Schedule


PauseScheduleResult = Annotated[PauseScheduleSuccess | TypedError, strawberry.union("PauseScheduleResult")]


@strawberry.type
class ResumeScheduleSuccess:
    schedule: Schedule


ResumeScheduleResult = Annotated[ResumeScheduleSuccess | TypedError, strawberry.union("ResumeScheduleResult")]


@strawberry.type
class DeleteScheduleSuccess:
    id: strawberry.ID = strawberry.field(description="What is gone.")
    schedule: Schedule = strawberry.field(description="As it was.")


DeleteScheduleResult = Annotated[DeleteScheduleSuccess | TypedError, strawberry.union("DeleteScheduleResult")]
