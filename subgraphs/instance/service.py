"""What may happen to instances: who may start, see, cancel and delete them, each in one unit of work."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema import killpoints
from shared_schema.models import Agent, Instance, Template
from shared_schema.states import InstanceStatus, PublicationStatus
from subgraphs.common.caller import Caller, Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, FieldProblem, NotFoundRefusal, ValidationRefusal
from subgraphs.common.parameters import check_value, json_size
from subgraphs.instance import repository
from subgraphs.instance.settings import InstanceSettings

logger = logging.getLogger("subgraphs.instance")

MAXIMUM_NAME = 120
MAXIMUM_IDEMPOTENCY_KEY = 120


@dataclass(frozen=True, slots=True)
class NewInstance:
    """What a client asks to run: an agent, or a template of one, and parameters that override its own."""

    name: str | None
    agent_id: UUID | None
    template_id: UUID | None
    parameters: object
    idempotency_key: str | None


def visible(caller: Caller, row: Instance | None) -> Instance | None:
    """The instance, if it is the caller's own or the caller is an admin; else as if it did not exist."""
    if row is None or not caller.may_read(row.owner_id, Scope.INSTANCES_READ):
        return None
    return row


class InstanceService:
    """Runs of agents; one for the process."""

    def __init__(self, store: Store, settings: InstanceSettings) -> None:
        self._store = store
        self._settings = settings

    async def create(self, caller: Caller, wanted: NewInstance) -> Instance:
        """Make an instance; a trigger tells the dispatcher, which has it run."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        self._check_shape(wanted)
        # Checked before the transaction: a large value takes long, and would hold locks and a connection.
        async with self._store.read() as session:
            agent, template = await _origin(session, wanted)
        parameters = await self._parameters(agent, template, wanted.parameters)
        async with self._store.unit_of_work() as session:
            await repository.lock_owner(session, owner_id)
            if wanted.idempotency_key is not None:
                made = await repository.instance_by_idempotency_key(session, owner_id, wanted.idempotency_key)
                if made is not None:
                    return _same_request(made, agent, template, parameters)
            await _still_the_same(session, wanted, agent, template)
            if await repository.active_count(session, owner_id) >= self._settings.instances_active_per_account:
                most = self._settings.instances_active_per_account
                raise ConflictRefusal(f"You have {most} instances that wait or run, which is as many as may.")
            instance = Instance(
                owner_id=owner_id,
                agent_id=agent.id,
                template_id=template.id if template else None,
                name=(wanted.name or "").strip() or (template or agent).name,
                parameters=parameters,
                idempotency_key=wanted.idempotency_key,
            )
            session.add(instance)
            await session.flush()
            killpoints.reach("instance.written")
        killpoints.reach("instance.committed")
        logger.info("Instance %s of agent %s created by %s", instance.id, agent.slug, owner_id)
        return instance

    async def cancel(self, caller: Caller, instance_id: UUID) -> Instance:
        """End an instance: at once while it waits, else the worker ends it at its next step."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        async with self._store.unit_of_work() as session:
            instance = _own(await repository.lock_instance(session, instance_id), owner_id)
            if instance.status.is_terminal:
                raise ConflictRefusal(f"The instance has ended: {instance.status.value}.")
            now = await repository.database_now(session)
            if instance.status is not InstanceStatus.RUNNING:
                instance.status = InstanceStatus.CANCELLED
                instance.finished_at = now
            if instance.cancel_requested_at is None:
                instance.cancel_requested_at = now
            await session.flush()
        logger.info("Instance %s cancelled by %s", instance.id, owner_id)
        return instance

    async def delete(self, caller: Caller, instance_id: UUID) -> Instance:
        """Take an ended instance out of sight."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        async with self._store.unit_of_work() as session:
            instance = _own(await repository.lock_instance(session, instance_id), owner_id)
            if not instance.status.is_terminal:
                raise ConflictRefusal("The instance has not ended; cancel it first.")
            instance.deleted_at = await repository.database_now(session)
            await session.flush()
        logger.info("Instance %s deleted by %s", instance.id, owner_id)
        return instance

    def _check_shape(self, wanted: NewInstance) -> None:
        problems: list[FieldProblem] = []
        if (wanted.agent_id is None) == (wanted.template_id is None):
            problems.append(FieldProblem(("agentId",), "Give `agentId` or `templateId`, and not both."))
        if wanted.name is not None:
            problems += _name_problems(wanted.name)
        if wanted.idempotency_key is not None and not (
            0 < len(wanted.idempotency_key) <= MAXIMUM_IDEMPOTENCY_KEY and wanted.idempotency_key.isprintable()
        ):
            message = f"1 to {MAXIMUM_IDEMPOTENCY_KEY} printable characters are needed."
            problems.append(FieldProblem(("idempotencyKey",), message))
        if not isinstance(wanted.parameters, dict | None):
            problems.append(FieldProblem(("parameters",), "Parameters are an object."))
        if problems:
            raise ValidationRefusal(problems)

    async def _parameters(self, agent: Agent, template: Template | None, given: object) -> dict[str, Any]:
        filled = template.parameters if template else {}
        merged = {**filled, **(given if isinstance(given, dict) else {})}
        most = self._settings.instance_max_parameters_bytes
        if json_size(merged) > most:
            raise ValidationRefusal.at("parameters", f"At most {most} bytes of JSON are allowed.")
        if problems := await check_value(agent.parameters_schema, merged, ("parameters",)):
            raise ValidationRefusal(problems, "The parameters do not fit the agent.")
        return merged


def _name_problems(name: str) -> list[FieldProblem]:
    if len(name.strip()) > MAXIMUM_NAME:
        return [FieldProblem(("name",), f"At most {MAXIMUM_NAME} characters are allowed.")]
    if any(unicodedata.category(character) == "Cc" for character in name):
        return [FieldProblem(("name",), "Control characters are not allowed.")]
    return []


async def _origin(session: AsyncSession, wanted: NewInstance) -> tuple[Agent, Template | None]:
    template: Template | None = None
    agent_id = wanted.agent_id
    if wanted.template_id is not None:
        template = await repository.template(session, wanted.template_id)
        if template is None or template.status is PublicationStatus.DRAFT:
            raise NotFoundRefusal("There is no such template.")
        if template.status is PublicationStatus.RETIRED:
            raise ConflictRefusal("The template is retired; nothing new starts from it.")
        agent_id = template.agent_id
    agent = await repository.agent(session, agent_id) if agent_id is not None else None
    if agent is None or agent.status is PublicationStatus.DRAFT:
        raise NotFoundRefusal("There is no such agent.")
    if agent.status is PublicationStatus.RETIRED:
        raise ConflictRefusal("The agent is retired; nothing new starts with it.")
    return agent, template


async def _still_the_same(session: AsyncSession, wanted: NewInstance, agent: Agent, template: Template | None) -> None:
    await repository.hold_agent(session, agent.id)
    now_agent, now_template = await _origin(session, wanted)
    versions = (now_agent.version, now_template.version if now_template else None)
    if versions != (agent.version, template.version if template else None):
        raise ConflictRefusal("The agent or the template was changed just now; try again.")


def _same_request(made: Instance, agent: Agent, template: Template | None, parameters: Mapping[str, Any]) -> Instance:
    same = (
        made.agent_id == agent.id
        and made.template_id == (template.id if template else None)
        and made.parameters == parameters
        and made.deleted_at is None
    )
    if not same:
        raise ConflictRefusal("This idempotency key was used for another request.")
    return made


def _own(row: Instance | None, owner_id: UUID) -> Instance:
    # Not even an admin changes what is another's; and what is another's looks as if it did not exist.
    if row is None or row.owner_id != owner_id:
        raise NotFoundRefusal("There is no such instance.")
    return row
