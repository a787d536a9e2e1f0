"""An agent, or a template of one, by id or by slug -> the agent and the template, if they are published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.models import Agent, Template
from shared_schema.states import PublicationStatus
from subgraphs.common.errors import ConflictRefusal, FieldProblem, NotFoundRefusal
from subgraphs.common.ids import input_id
from subgraphs.common.slugs import is_slug
from subgraphs.instance import repository

AGENT_ID: Final = "What to run, by its id. Exactly one of `agentId`, `templateId`, `agentSlug` and `templateSlug`."
TEMPLATE_ID: Final = "What to start from, by its id."
AGENT_SLUG: Final = 'What to run, by its name in addresses: `"text-insights"`.'
TEMPLATE_SLUG: Final = "What to start from, by its name in addresses."


class OriginInput(Protocol):
    """A GraphQL input with these four fields."""

    agent_id: strawberry.ID | None
    template_id: strawberry.ID | None
    agent_slug: str | None
    template_slug: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """An agent or a template as a client names it; None where that field is left out."""

    agent_id: UUID | None = None
    template_id: UUID | None = None
    agent_slug: str | None = None
    template_slug: str | None = None

    @classmethod
    def of(cls, input: OriginInput) -> Origin:
        """Origin that the input names. Raises `ValidationRefusal` for text that is no id of an agent or a template."""
        return cls(
            None if input.agent_id is None else input_id("Agent", input.agent_id, "agentId"),
            None if input.template_id is None else input_id("Template", input.template_id, "templateId"),
            input.agent_slug,
            input.template_slug,
        )

    def fields(self) -> list[str]:
        """The names of the input's fields that are given."""
        named = {
            "agentId": self.agent_id,
            "templateId": self.template_id,
            "agentSlug": self.agent_slug,
            "templateSlug": self.template_slug,
        }
        return [name for name, value in named.items() if value is not None]

    def problems(self, others: Sequence[str] = ()) -> list[FieldProblem]:
        """A problem unless exactly one field is given. `others` are fields of the input that may stand in for these."""
        fields = self.fields()
        if len(fields) == 1:
            return []
        choices = _listed(["agentId", "templateId", "agentSlug", "templateSlug", *others], "or")
        said = f"{_listed(fields, 'and')} are given" if fields else "none is given"
        return [FieldProblem((fields[0] if fields else "agentId",), f"Give exactly one of {choices}: {said}.")]

    def request_parts(self) -> tuple[object, ...]:
        """Parts that tell this origin from another in the hash of a request.

        Without slugs it is as before there were any: hashes outlive an upgrade.
        """
        ids = (self.agent_id, self.template_id)
        return ids if self.agent_slug is self.template_slug is None else (*ids, self.agent_slug, self.template_slug)

    async def find(self, session: AsyncSession) -> tuple[Agent, Template | None]:
        """The agent, and the template if one was named.

        Raises `NotFoundRefusal` for what is unknown or a draft, and `ConflictRefusal` for what is retired.
        """
        if self.template_id is None and self.template_slug is None:
            return running(await self._agent(session)), None
        template = await self._template(session)
        if template is None or template.status is PublicationStatus.DRAFT:
            raise NotFoundRefusal("There is no such template.")
        if template.status is PublicationStatus.RETIRED:
            raise ConflictRefusal("The template is retired; nothing new starts from it.")
        return running(await repository.agent(session, template.agent_id)), template

    async def _agent(self, session: AsyncSession) -> Agent | None:
        if self.agent_slug is not None:
            return await repository.agent_by_slug(session, self.agent_slug) if is_slug(self.agent_slug) else None
        return await repository.agent(session, self.agent_id) if self.agent_id is not None else None

    async def _template(self, session: AsyncSession) -> Template | None:
        if self.template_slug is not None:
            slug = self.template_slug
            return await repository.template_by_slug(session, slug) if is_slug(slug) else None
        return await repository.template(session, self.template_id) if self.template_id is not None else None


def _listed(names: Sequence[str], conjunction: str) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"


def running(agent: Agent | None) -> Agent:
    """The agent, if new runs may start with it. Raises `NotFoundRefusal` or `ConflictRefusal`."""
    if agent is None or agent.status is PublicationStatus.DRAFT:
        raise NotFoundRefusal("There is no such agent.")
    if agent.status is PublicationStatus.RETIRED:
        raise ConflictRefusal("The agent is retired; nothing new starts with it.")
    return agent
