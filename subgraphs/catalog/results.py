"""Results of the catalog's mutations: a success type each, in a union with the typed errors."""

from __future__ import annotations

from typing import Annotated

import strawberry

from subgraphs.catalog.types import Agent, Template
from subgraphs.common.results import TypedError


@strawberry.type
class CreateAgentSuccess:
    agent: Agent


CreateAgentResult = Annotated[CreateAgentSuccess | TypedError, strawberry.union("CreateAgentResult")]


@strawberry.type
class UpdateAgentSuccess:
    agent: Agent


UpdateAgentResult = Annotated[UpdateAgentSuccess | TypedError, strawberry.union("UpdateAgentResult")]


@strawberry.type
class PublishAgentSuccess:
    agent: Agent


PublishAgentResult = Annotated[PublishAgentSuccess | TypedError, strawberry.union("PublishAgentResult")]


@strawberry.type
class RetireAgentSuccess:
    agent: Agent


RetireAgentResult = Annotated[RetireAgentSuccess | TypedError, strawberry.union("RetireAgentResult")]


@strawberry.type
class CreateTemplateSuccess:
    template: Template


CreateTemplateResult = Annotated[CreateTemplateSuccess | TypedError, strawberry.union("CreateTemplateResult")]


@strawberry.type
class UpdateTemplateSuccess:
    template: Template


UpdateTemplateResult = Annotated[UpdateTemplateSuccess | TypedError, strawberry.union("UpdateTemplateResult")]


@strawberry.type
class PublishTemplateSuccess:
    template: Template


PublishTemplateResult = Annotated[PublishTemplateSuccess | TypedError, strawberry.union("PublishTemplateResult")]


@strawberry.type
class RetireTemplateSuccess:
    template: Template


RetireTemplateResult = Annotated[RetireTemplateSuccess | TypedError, strawberry.union("RetireTemplateResult")]
