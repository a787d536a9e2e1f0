"""Rules of the catalog: who sees what, and how admins change it, each change in one unit of work."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.models import Agent, Template
from shared_schema.states import PublicationStatus
from subgraphs.catalog import repository, validation
from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common.audit import Fact, Writer
from subgraphs.common.caller import Caller, Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import (
    ConflictRefusal,
    FieldProblem,
    Forbidden,
    NotFoundRefusal,
    ValidationRefusal,
)
from subgraphs.common.parameters import ParameterChecks

logger = logging.getLogger("subgraphs.catalog")

EVERYTHING = frozenset(PublicationStatus)
PUBLISHED = frozenset({PublicationStatus.PUBLISHED})
# Who ran an agent may still see what it was; a draft was never anybody's to see.
ONCE_PUBLISHED = frozenset({PublicationStatus.PUBLISHED, PublicationStatus.RETIRED})

_CHANGED = "It was changed just now; try again."

E = TypeVar("E", Agent, Template)


def manages(caller: Caller) -> bool:
    """True if the caller sees and changes what is not published."""
    return caller.curates(Scope.CATALOG_WRITE)


def listed(caller: Caller, status: PublicationStatus | None) -> frozenset[PublicationStatus]:
    """The statuses that a list shows: published ones, to curators and admins all or the one they ask for."""
    if manages(caller):
        return EVERYTHING if status is None else frozenset({status})
    if status not in (None, PublicationStatus.PUBLISHED):
        raise Forbidden("Only curators and admins may list what is not published.")
    return PUBLISHED


def visible(caller: Caller, row: E | None, statuses: frozenset[PublicationStatus]) -> E | None:
    """The row, if the caller may see one of its status: a draft is for curators and the workspace's members."""
    if row is None or row.status in statuses or manages(caller):
        return row
    return row if row.workspace_id in caller.workspaces and caller.allows(Scope.CATALOG_WRITE) else None


class CatalogService:
    """Agents and templates; one for the process."""

    def __init__(self, store: Store, settings: CatalogSettings, checks: ParameterChecks, audit: Writer) -> None:
        self._audit = audit
        self._store = store
        self._settings = settings
        self._checks = checks

    async def create_agent(self, caller: Caller, values: Mapping[str, Any]) -> Agent:
        """Make a draft of an agent."""
        publisher = caller.require_curator(Scope.CATALOG_WRITE)
        _refuse(await self._agent_problems(values))
        agent = Agent(**_cleaned(values), publisher_id=publisher)
        return await self._insert(agent, "uq_agents_slug", caller)

    async def update_agent(
        self, caller: Caller, agent_id: UUID, values: Mapping[str, Any], expected_version: int | None
    ) -> Agent:
        """Change an agent; what is published of its templates has to stay valid."""
        caller.require_curator(Scope.CATALOG_WRITE)
        _refuse(await self._agent_problems(values))
        checked = await self._checked_templates(agent_id, values)
        try:
            async with self._store.unit_of_work() as session:
                agent = _expected(await repository.lock_agent(session, agent_id), "agent", expected_version)
                if checked is not None and checked != await _versions(session, agent_id):
                    raise ConflictRefusal(_CHANGED)
                await _apply(session, agent, values)
                self._record(session, caller, "update", agent)
        except IntegrityError as problem:
            raise _slug_conflict(problem, "uq_agents_slug") from None
        _log(caller, "updated", agent)
        return agent

    async def publish_agent(self, caller: Caller, agent_id: UUID, expected_version: int | None) -> Agent:
        """Let everybody find and run the agent."""
        caller.require_curator(Scope.CATALOG_WRITE)
        async with self._store.unit_of_work() as session:
            agent = _expected(await repository.lock_agent(session, agent_id), "agent", expected_version)
            await _publish(session, agent)
            self._record(session, caller, "publish", agent)
        _log(caller, "published", agent)
        return agent

    async def retire_agent(self, caller: Caller, agent_id: UUID, expected_version: int | None) -> Agent:
        """Take the agent off the lists: what runs goes on, nothing new starts."""
        caller.require_curator(Scope.CATALOG_WRITE)
        async with self._store.unit_of_work() as session:
            agent = _expected(await repository.lock_agent(session, agent_id), "agent", expected_version)
            await _retire(session, agent)
            self._record(session, caller, "retire", agent)
        _log(caller, "retired", agent)
        return agent

    async def create_template(self, caller: Caller, agent_id: UUID, values: Mapping[str, Any]) -> Template:
        """Make a draft of a template."""
        publisher = caller.require_curator(Scope.CATALOG_WRITE)
        async with self._store.read() as session:
            agent = (await repository.agents_by_id(session, [agent_id])).get(agent_id)
        if agent is None:
            raise NotFoundRefusal("There is no such agent.")
        _refuse(await self._template_problems(values, agent))
        template = Template(**_cleaned(values), agent_id=agent.id, publisher_id=publisher)
        return await self._insert(template, "uq_templates_slug", caller)

    async def update_template(
        self, caller: Caller, template_id: UUID, values: Mapping[str, Any], expected_version: int | None
    ) -> Template:
        """Change a template."""
        caller.require_curator(Scope.CATALOG_WRITE)
        agent = await self._agent_of(template_id)
        _refuse(await self._template_problems(values, agent))
        try:
            async with self._store.unit_of_work() as session:
                locked = await repository.lock_template(session, template_id)
                template = _expected(locked, "template", expected_version)
                if "parameters" in values:
                    await _unchanged(session, agent)
                await _apply(session, template, values)
                self._record(session, caller, "update", template)
        except IntegrityError as problem:
            raise _slug_conflict(problem, "uq_templates_slug") from None
        _log(caller, "updated", template)
        return template

    async def publish_template(self, caller: Caller, template_id: UUID, expected_version: int | None) -> Template:
        """Let everybody find the template and start from it."""
        caller.require_curator(Scope.CATALOG_WRITE)
        agent = await self._agent_of(template_id)
        async with self._store.read() as session:
            looked = (await repository.templates_by_id(session, [template_id]))[template_id]
        problems = await self._template_problems({"parameters": looked.parameters}, agent)
        async with self._store.unit_of_work() as session:
            locked = await repository.lock_template(session, template_id)
            template = _expected(locked, "template", expected_version)
            agent = await _unchanged(session, agent)
            if template.version != looked.version:
                raise ConflictRefusal(_CHANGED)
            if agent.status is not PublicationStatus.PUBLISHED:
                raise ConflictRefusal(f"The agent {agent.slug} is not published.")
            _refuse(problems)
            await _publish(session, template)
            self._record(session, caller, "publish", template)
        _log(caller, "published", template)
        return template

    async def retire_template(self, caller: Caller, template_id: UUID, expected_version: int | None) -> Template:
        """Take the template off the lists."""
        caller.require_curator(Scope.CATALOG_WRITE)
        async with self._store.unit_of_work() as session:
            locked = await repository.lock_template(session, template_id)
            template = _expected(locked, "template", expected_version)
            await _retire(session, template)
            self._record(session, caller, "retire", template)
        _log(caller, "retired", template)
        return template

    async def _insert(self, row: E, slug_constraint: str, caller: Caller) -> E:
        try:
            async with self._store.unit_of_work() as session:
                session.add(row)
                await session.flush()
                self._record(session, caller, "create", row)
        except IntegrityError as problem:
            raise _slug_conflict(problem, slug_constraint) from None
        _log(caller, "created", row)
        return row

    def _record(self, session: AsyncSession, caller: Caller, verb: str, row: Agent | Template) -> None:
        kind = type(row).__name__
        detail = {"slug": row.slug, "version": row.version}
        self._audit(session, Fact(f"{kind.lower()}.{verb}", "SUCCESS", caller, kind, row.id, detail))

    async def _checked_templates(self, agent_id: UUID, values: Mapping[str, Any]) -> dict[UUID, int] | None:
        """The published templates' versions, once a new schema is known to keep them valid; None without a new schema.

        Outside of any transaction, as every check of parameters: it may take long, and would hold locks.
        """
        if "parameters_schema" not in values:
            return None
        async with self._store.read() as session:
            templates = await repository.published_templates_of(session, agent_id)
        schema = validation.lenient(values["parameters_schema"])
        broken = [
            template.slug
            for template in templates
            if await self._checks.value(schema, template.parameters, ("parameters",))
        ]
        if broken:
            raise ConflictRefusal(f"The schema would break published templates: {', '.join(broken[:10])}.")
        return {template.id: template.version for template in templates}

    async def _agent_of(self, template_id: UUID) -> Agent:
        async with self._store.read() as session:
            template = (await repository.templates_by_id(session, [template_id])).get(template_id)
        if template is None:
            raise NotFoundRefusal("There is no such template.")
        async with self._store.read() as session:
            return (await repository.agents_by_id(session, [template.agent_id]))[template.agent_id]

    async def _agent_problems(self, values: Mapping[str, Any]) -> list[FieldProblem]:
        problems = validation.entry_problems(values)
        if "parameters_schema" in values:
            schema = values["parameters_schema"]
            problems += validation.schema_size_problems(schema, self._settings) or await self._checks.schema(
                schema, ("parametersSchema",)
            )
        return problems

    async def _template_problems(self, values: Mapping[str, Any], agent: Agent) -> list[FieldProblem]:
        problems = validation.entry_problems(values)
        if "parameters" in values:
            parameters = values["parameters"]
            schema = validation.lenient(agent.parameters_schema)
            problems += validation.parameters_size_problems(parameters, self._settings) or await self._checks.value(
                schema, parameters, ("parameters",)
            )
        return problems


async def _versions(session: AsyncSession, agent_id: UUID) -> dict[UUID, int]:
    return {template.id: template.version for template in await repository.published_templates_of(session, agent_id)}


async def _unchanged(session: AsyncSession, checked: Agent) -> Agent:
    """The agent as it is now. Refuses one that was changed since parameters were checked by its schema."""
    agent = await repository.hold_agent(session, checked.id)
    if agent.version != checked.version:
        raise ConflictRefusal(_CHANGED)
    return agent


def _refuse(problems: list[FieldProblem]) -> None:
    if problems:
        raise ValidationRefusal(problems)


def _cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = dict(values)
    if "name" in cleaned:
        cleaned["name"] = cleaned["name"].strip()
    if "tags" in cleaned:
        cleaned["tags"] = list(dict.fromkeys(cleaned["tags"]))
    return cleaned


async def _apply(session: AsyncSession, row: Agent | Template, values: Mapping[str, Any]) -> None:
    for name, value in _cleaned(values).items():
        setattr(row, name, value)
    await session.flush()


def _expected(row: E | None, kind: str, expected_version: int | None) -> E:
    if row is None:
        raise NotFoundRefusal(f"There is no such {kind}.")
    if expected_version is not None and row.version != expected_version:
        message = f"The {kind} was changed: it has version {row.version}, not {expected_version}."
        raise ConflictRefusal(message)
    return row


async def _publish(session: AsyncSession, row: Agent | Template) -> None:
    if row.status is PublicationStatus.PUBLISHED:
        raise ConflictRefusal("It is published already.")
    row.status = PublicationStatus.PUBLISHED
    row.published_at, row.retired_at = await repository.database_now(session), None
    await session.flush()


async def _retire(session: AsyncSession, row: Agent | Template) -> None:
    if row.status is not PublicationStatus.PUBLISHED:
        raise ConflictRefusal("Only what is published can be retired.")
    row.status = PublicationStatus.RETIRED
    row.retired_at = await repository.database_now(session)
    await session.flush()


def _slug_conflict(problem: IntegrityError, constraint: str) -> Exception:
    if constraint in str(problem.orig):
        return ConflictRefusal("This slug is taken.")
    return problem


def _log(caller: Caller, action: str, row: Agent | Template) -> None:
    logger.info("%s %s %s by %s", type(row).__name__, row.slug, action, caller.account_id)
