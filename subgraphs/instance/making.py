"""A client's request -> an instance: from an agent, a template, or another instance; checked, bounded, once per key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.models import Agent, Instance, Template
from subgraphs.common.caller import Caller
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, FieldProblem, ValidationRefusal
from subgraphs.common.names import deceptive_character, unseen
from subgraphs.common.parameters import ParameterChecks, too_large
from subgraphs.instance import repository
from subgraphs.instance.access import writable
from subgraphs.instance.origin import Origin, running
from subgraphs.instance.settings import InstanceSettings

MAXIMUM_NAME = 120
MAXIMUM_IDEMPOTENCY_KEY = 120


@dataclass(frozen=True, slots=True)
class NewInstance:
    """A request for a run: an agent, or a template of one, and parameters that override its own."""

    name: str | None
    origin: Origin
    parameters: object
    idempotency_key: str | None = None
    workspace_id: UUID | None = None

    def request_hash(self) -> bytes:
        """Hash that distinguishes this request from another under the same idempotency key."""
        where = [] if self.workspace_id is None else [self.workspace_id]
        return request_hash("create", self.name, *self.origin.request_parts(), self.parameters, *where)


@dataclass(frozen=True, slots=True)
class Plan:
    """An instance that is going to be made, every part of it checked."""

    agent: Agent
    template: Template | None
    name: str
    parameters: dict[str, Any]


def request_hash(*parts: object) -> bytes:
    """SHA-256 of a request's parts, whatever order their members have."""
    return hashlib.sha256(orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS)).digest()


def shape_problems(new: NewInstance, *, in_place_of_origin: Sequence[str] = ()) -> list[FieldProblem]:
    """Problems of a request that need no database. See `Origin.problems` for what may stand in place of an origin."""
    problems = new.origin.problems(in_place_of_origin)
    if new.name is not None:
        problems += name_problems(new.name)
    problems += key_problems(new.idempotency_key)
    if not isinstance(new.parameters, dict | None):
        problems.append(FieldProblem(("parameters",), "Parameters are an object."))
    return problems


def name_problems(name: str) -> list[FieldProblem]:
    """Problems of a name that a client chose."""
    if len(name.strip()) > MAXIMUM_NAME:
        return [FieldProblem(("name",), f"At most {MAXIMUM_NAME} characters are allowed.")]
    if character := deceptive_character(name):
        return [FieldProblem(("name",), unseen(character))]
    return []


def key_problems(key: str | None) -> list[FieldProblem]:
    """Problems of an idempotency key."""
    if key is None or (0 < len(key) <= MAXIMUM_IDEMPOTENCY_KEY and key.isprintable()):
        return []
    message = f"1 to {MAXIMUM_IDEMPOTENCY_KEY} printable characters are needed."
    return [FieldProblem(("idempotencyKey",), message)]


class Maker:
    """Plans instances and makes them."""

    def __init__(self, store: Store, settings: InstanceSettings, checks: ParameterChecks) -> None:
        self._store = store
        self._settings = settings
        self._checks = checks

    async def plan(self, new: NewInstance) -> Plan:
        """Look up and check everything that a request names.

        Outside of any transaction: to check a large value takes long, and would hold locks and a connection.
        """
        async with self._store.read() as session:
            agent, template = await new.origin.find(session)
        filled = template.parameters if template else {}
        client_parameters = new.parameters if isinstance(new.parameters, dict) else {}
        parameters = await self.checked(agent, {**filled, **client_parameters})
        return Plan(agent, template, (new.name or "").strip() or (template or agent).name, parameters)

    async def plan_again(self, instance_id: UUID, caller: Caller) -> tuple[Plan, UUID]:
        """An instance's own inputs once more, in its workspace: its agent must still be there, and still take them."""
        async with self._store.read() as session:
            instance = writable(caller, await repository.living_instance(session, instance_id))
            agent = running(await repository.agent(session, instance.agent_id))
            template = await repository.template(session, instance.template_id) if instance.template_id else None
        plan = Plan(agent, template, instance.name, await self.checked(agent, instance.parameters))
        return plan, instance.workspace_id

    async def checked(self, agent: Agent, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters, if they fit the agent."""
        path = ("parameters",)
        problems = too_large(parameters, self._settings.parameters_max_bytes, path)
        if problems := problems or await self._checks.value(agent.parameters_schema, parameters, path):
            raise ValidationRefusal(problems, "The parameters do not fit the agent.")
        return parameters

    async def made_before(
        self, session: AsyncSession, owner_id: UUID, key: str | None, request_hash: bytes
    ) -> Instance | None:
        """The instance that the owner got for this key; a conflict if it was for something else."""
        if key is None:
            return None
        instance = await repository.instance_by_idempotency_key(session, owner_id, key)
        if instance is None:
            return None
        if instance.request_hash not in (None, request_hash):
            raise ConflictRefusal("This idempotency key was used for another request.")
        if instance.deleted_at is not None:
            raise ConflictRefusal("This idempotency key was used for an instance that is deleted.")
        return instance

    async def make(
        self, session: AsyncSession, owner_id: UUID, plan: Plan, workspace_id: UUID, **columns: Any
    ) -> Instance:
        """Add the instance; its owner is locked. Refuses what changed since it was planned, and one too many."""
        await repository.hold_agent(session, plan.agent.id)
        agent = running(await repository.agent(session, plan.agent.id))
        template = await repository.template(session, plan.template.id) if plan.template else None
        versions = (agent.version, template.version if template else None)
        if versions != (plan.agent.version, plan.template.version if plan.template else None):
            raise ConflictRefusal("The agent or the template was changed just now; try again.")
        max_active = self._settings.instances_active_per_account
        if await repository.active_count(session, owner_id) >= max_active:
            raise ConflictRefusal(f"You have {max_active} instances that wait or run, which is as many as may.")
        instance = Instance(
            owner_id=owner_id,
            workspace_id=workspace_id,
            agent_id=agent.id,
            template_id=template.id if template else None,
            name=plan.name,
            parameters=plan.parameters,
            max_attempts=template.max_attempts if template else None,
            timeout_seconds=template.timeout_seconds if template else None,
            **columns,
        )
        session.add(instance)
        await session.flush()
        return instance
