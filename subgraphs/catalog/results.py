"""What the catalog's mutations answer: a success type each, in a union with the typed errors."""

from __future__ import annotations

from typing import Annotated

import strawberry

from subgraphs.catalog.types import Agent, Template
from subgraphs.common.results import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
    ValidationError,
)


@strawberry.type
class CreateAgentSuccess:
    agent: Agent


CreateAgentResult = Annotated[
    CreateAgentSuccess | ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError,
    strawberry.union("CreateAgentResult"),
]


@strawberry.type
class UpdateAgentSuccess:
    agent: Agent


UpdateAgentResult = Annotated[
    UpdateAgentSuccess | ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError,
    strawberry.union("UpdateAgentResult"),
]


@strawberry.type
class PublishAgentSuccess:
    agent: Agent


PublishAgentResult = Annotated[
    PublishAgentSuccess | ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError,
    strawberry.union("PublishAgentResult"),
]


@strawberry.type
class RetireAgentSuccess:
    agent: Agent


RetireAgentResult = Annotated[
    RetireAgentSuccess | ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError,
    strawberry.union("RetireAgentResult"),
]


@strawberry.type
class CreateTemplateSuccess:
    template: Template


CreateTemplateResult = Annotated[
    CreateTemplateSuccess | ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError,
    strawberry.union("CreateTemplateResult"),
]


@strawberry.type
class UpdateTemplateSuccess:
    template: Template


UpdateTemplateResult = Annotated[
    UpdateTemplateSuccess | ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError,
    strawberry.union("UpdateTemplateResult"),
]


@strawberry.type
class PublishTemplateSuccess:
    template: Template


PublishTemplateResult = Annotated[
    PublishTemplateSuccess | ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError,
    strawberry.union("PublishTemplateResult"),
]


@strawberry.type
class RetireTemplateSuccess:
    template: Template


RetireTemplateResult = Annotated[
    RetireTemplateSuccess | ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError,
    strawberry.union("RetireTemplateResult"),
]
