"""The root fields of the catalog that change something; all are for admins."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.mutation` used as a decorator has no type of its own.)

from __future__ import annotations

from typing import Annotated

import strawberry

from subgraphs.catalog.context import Info
from subgraphs.catalog.inputs import (
    EXPECTED_VERSION,
    CreateAgentInput,
    CreateTemplateInput,
    UpdateAgentInput,
    UpdateTemplateInput,
    columns,
)
from subgraphs.catalog.results import (
    CreateAgentResult,
    CreateAgentSuccess,
    CreateTemplateResult,
    CreateTemplateSuccess,
    PublishAgentResult,
    PublishAgentSuccess,
    PublishTemplateResult,
    PublishTemplateSuccess,
    RetireAgentResult,
    RetireAgentSuccess,
    RetireTemplateResult,
    RetireTemplateSuccess,
    UpdateAgentResult,
    UpdateAgentSuccess,
    UpdateTemplateResult,
    UpdateTemplateSuccess,
)
from subgraphs.catalog.types import Agent, Template
from subgraphs.common.ids import input_id
from subgraphs.common.results import attempt

ExpectedVersion = Annotated[int | None, strawberry.argument(description=EXPECTED_VERSION)]


@strawberry.type
class Mutation:
    """Mutations of the catalog, for admins."""

    @strawberry.mutation(description="Make a draft of an agent.")
    async def create_agent(self, info: Info, input: CreateAgentInput) -> CreateAgentResult:
        async def work() -> CreateAgentSuccess:
            row = await info.context.service.create_agent(info.context.caller, columns(input))
            return CreateAgentSuccess(agent=Agent.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Change an agent.")
    async def update_agent(self, info: Info, id: strawberry.ID, input: UpdateAgentInput) -> UpdateAgentResult:
        async def work() -> UpdateAgentSuccess:
            row = await info.context.service.update_agent(
                info.context.caller, input_id("Agent", id), columns(input), input.expected_version
            )
            return UpdateAgentSuccess(agent=Agent.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Let everybody find and run an agent.")
    async def publish_agent(
        self, info: Info, id: strawberry.ID, expected_version: ExpectedVersion = None
    ) -> PublishAgentResult:
        async def work() -> PublishAgentSuccess:
            row = await info.context.service.publish_agent(info.context.caller, input_id("Agent", id), expected_version)
            return PublishAgentSuccess(agent=Agent.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Take an agent off the lists: what runs goes on, nothing new starts.")
    async def retire_agent(
        self, info: Info, id: strawberry.ID, expected_version: ExpectedVersion = None
    ) -> RetireAgentResult:
        async def work() -> RetireAgentSuccess:
            row = await info.context.service.retire_agent(info.context.caller, input_id("Agent", id), expected_version)
            return RetireAgentSuccess(agent=Agent.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Make a draft of a template.")
    async def create_template(self, info: Info, input: CreateTemplateInput) -> CreateTemplateResult:
        async def work() -> CreateTemplateSuccess:
            row = await info.context.service.create_template(
                info.context.caller, input_id("Agent", input.agent_id, "agentId"), columns(input)
            )
            return CreateTemplateSuccess(template=Template.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Change a template.")
    async def update_template(self, info: Info, id: strawberry.ID, input: UpdateTemplateInput) -> UpdateTemplateResult:
        async def work() -> UpdateTemplateSuccess:
            row = await info.context.service.update_template(
                info.context.caller, input_id("Template", id), columns(input), input.expected_version
            )
            return UpdateTemplateSuccess(template=Template.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Let everybody find a template and start from it.")
    async def publish_template(
        self, info: Info, id: strawberry.ID, expected_version: ExpectedVersion = None
    ) -> PublishTemplateResult:
        async def work() -> PublishTemplateSuccess:
            row = await info.context.service.publish_template(
                info.context.caller, input_id("Template", id), expected_version
            )
            return PublishTemplateSuccess(template=Template.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="Take a template off the lists.")
    async def retire_template(
        self, info: Info, id: strawberry.ID, expected_version: ExpectedVersion = None
    ) -> RetireTemplateResult:
        async def work() -> RetireTemplateSuccess:
            row = await info.context.service.retire_template(
                info.context.caller, input_id("Template", id), expected_version
            )
            return RetireTemplateSuccess(template=Template.of(row))

        return await attempt(info, work())
