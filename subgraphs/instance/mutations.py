"""The root fields of the instance subgraph that change something."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.mutation` used as a decorator has no type of its own.)

from __future__ import annotations

from typing import Annotated

import strawberry

from subgraphs.common.ids import input_id
from subgraphs.common.results import attempt
from subgraphs.common.scalars import JSON
from subgraphs.instance.access import workspace_of
from subgraphs.instance.context import Info
from subgraphs.instance.making import NewInstance
from subgraphs.instance.origin import AGENT_ID, AGENT_SLUG, TEMPLATE_ID, TEMPLATE_SLUG, Origin
from subgraphs.instance.results import (
    CancelInstanceResult,
    CancelInstanceSuccess,
    CreateInstanceResult,
    CreateInstanceSuccess,
    DeleteInstanceResult,
    DeleteInstanceSuccess,
    RerunInstanceResult,
    RerunInstanceSuccess,
    RetryInstanceResult,
    RetryInstanceSuccess,
)
from subgraphs.instance.schedule_mutations import ScheduleMutation
from subgraphs.instance.types import Instance


@strawberry.input
class CreateInstanceInput:
    name: str | None = strawberry.field(
        default=None, description="Yours to choose; else the template's or the agent's."
    )
    agent_id: strawberry.ID | None = strawberry.field(default=None, description=AGENT_ID)
    template_id: strawberry.ID | None = strawberry.field(default=None, description=TEMPLATE_ID)
    agent_slug: str | None = strawberry.field(default=None, description=AGENT_SLUG)
    template_slug: str | None = strawberry.field(default=None, description=TEMPLATE_SLUG)
    parameters: JSON | None = strawberry.field(
        default=None,
        description="An object, valid by the agent's `parametersSchema`; its members replace the template's. "
        "At most 1,000,000 bytes of JSON.",
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="The same request sent twice with one key makes one instance; another request is a conflict.",
    )
    workspace_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose it is to be: a workspace; your personal one if it is left out."
    )


@strawberry.type
class Mutation(ScheduleMutation):
    """Mutations of the instance subgraph."""

    @strawberry.mutation(description="Run an agent, with your parameters.")
    async def create_instance(self, info: Info, input: CreateInstanceInput) -> CreateInstanceResult:
        async def work() -> CreateInstanceSuccess:
            new = NewInstance(
                name=input.name,
                origin=Origin.of(input),
                parameters=input.parameters,
                idempotency_key=input.idempotency_key,
                workspace_id=workspace_of(input.workspace_id),
            )
            row = await info.context.service.create(info.context.caller, new)
            return CreateInstanceSuccess(instance=Instance.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Run an instance once more: another instance of the same inputs.")
    async def rerun_instance(
        self,
        info: Info,
        id: strawberry.ID,
        idempotency_key: Annotated[
            str | None, strawberry.argument(description="The same request sent twice with one key makes one instance.")
        ] = None,
    ) -> RerunInstanceResult:
        async def work() -> RerunInstanceSuccess:
            row = await info.context.service.rerun(info.context.caller, input_id("Instance", id), idempotency_key)
            return RerunInstanceSuccess(instance=Instance.of(row))

        return await attempt(info, work())

    @strawberry.mutation(
        description="Try again what failed, took too long or was cancelled: a new instance in its place. "
        "Asked for twice, there is still one."
    )
    async def retry_instance(self, info: Info, id: strawberry.ID) -> RetryInstanceResult:
        async def work() -> RetryInstanceSuccess:
            row = await info.context.service.retry(info.context.caller, input_id("Instance", id))
            return RetryInstanceSuccess(instance=Instance.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="End an instance before it is done.")
    async def cancel_instance(self, info: Info, id: strawberry.ID) -> CancelInstanceResult:
        async def work() -> CancelInstanceSuccess:
            row = await info.context.service.cancel(info.context.caller, input_id("Instance", id))
            return CancelInstanceSuccess(instance=Instance.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Delete an instance, once it has ended.")
    async def delete_instance(self, info: Info, id: strawberry.ID) -> DeleteInstanceResult:
        async def work() -> DeleteInstanceSuccess:
            row = await info.context.service.delete(info.context.caller, input_id("Instance", id))
            instance = Instance.of(row)
            return DeleteInstanceSuccess(id=instance.id, instance=instance)

        return await attempt(info, work())
