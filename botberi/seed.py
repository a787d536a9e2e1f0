"""The registry of workflows -> published agents and templates in the catalog; credentials -> development accounts."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from botberi.credentials import Credential
from shared_schema import platform_account
from shared_schema.database import Database
from shared_schema.json_text import json_text
from shared_schema.models import Account, Agent, Template
from shared_schema.states import PublicationStatus, Role
from workers.registry import TEMPLATES, WORKFLOWS
from workers.workflow import Template as Example
from workers.workflow import Workflow

logger = logging.getLogger(__name__)

#: The account that publishes the built-in agents. Its password is thrown away as it is made.
PUBLISHER_NAME: Final = "Botberi"
#: Two seeds at once would both find nothing and both insert.
_LOCK: Final = 0x626F7462


@dataclass(slots=True)
class Seeded:
    """Changes that a seed made."""

    accounts: int = 0
    agents: int = 0
    templates: int = 0


async def seed(
    user_database: Database, shared_database: Database, credentials: Sequence[Credential], hasher: PasswordHasher
) -> Seeded:
    """Bring both databases to where a newcomer can begin. What people changed since stays as they left it."""
    done = Seeded()
    async with user_database.unit_of_work() as session:
        await _lock(session)
        publisher = await _account(session, done, platform_account.EMAIL, PUBLISHER_NAME, Role.USER, hasher, None)
        for credential in credentials:
            name = {"admin": "Development admin", "user": "Development user"}[credential.role]
            role = Role.ADMIN if credential.role == "admin" else Role.USER
            await _account(session, done, credential.email, name, role, hasher, credential.password)
        publisher_id = publisher.id
    async with shared_database.unit_of_work() as session:
        await _lock(session)
        for workflow in WORKFLOWS.values():
            agent = await _agent(session, done, workflow, publisher_id)
            for example in TEMPLATES[workflow.slug]:
                await _template(session, done, agent, example, publisher_id)
    logger.info(
        "seeded: %d accounts, %d agents, %d templates are new or changed", done.accounts, done.agents, done.templates
    )
    return done


async def _lock(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": _LOCK})


async def _account(
    session: AsyncSession,
    done: Seeded,
    email: str,
    name: str,
    role: Role,
    hasher: PasswordHasher,
    password: str | None,
) -> Account:
    """The account of this address; a development account's password is made to be the one in the state folder."""
    account = await session.scalar(
        select(Account).where(func.lower(Account.email) == email.lower(), Account.deleted_at.is_(None))
    )
    if account is None:
        phc = await asyncio.to_thread(hasher.hash, password or secrets.token_urlsafe(32))
        account = Account(email=email, display_name=name, role=role, password_hash=phc)
        session.add(account)
        await session.flush()
        done.accounts += 1
    elif password is not None and not await asyncio.to_thread(_matches, hasher, account.password_hash, password):
        account.password_hash = await asyncio.to_thread(hasher.hash, password)
        done.accounts += 1
    return account


def _matches(hasher: PasswordHasher, phc: str, password: str) -> bool:
    try:
        return hasher.verify(phc, password)
    except (VerificationError, InvalidHashError):
        return False


async def _agent(session: AsyncSession, done: Seeded, workflow: Workflow, publisher_id: UUID) -> Agent:
    """Agent of a workflow. Its schema and version are the code's; its texts and status are people's once it exists."""
    schema: dict[str, Any] = workflow.input_model.model_json_schema()
    agent = await session.scalar(select(Agent).where(Agent.slug == workflow.slug))
    if agent is None:
        agent = Agent(
            slug=workflow.slug,
            name=workflow.name,
            summary=workflow.summary,
            description=workflow.description,
            workflow=workflow.slug,
            workflow_version=workflow.version,
            tags=list(workflow.tags),
            parameters_schema=schema,
            publisher_id=publisher_id,
            status=PublicationStatus.PUBLISHED,
            published_at=datetime.now(UTC),
        )
        session.add(agent)
        await session.flush()
        done.agents += 1
    elif agent.workflow == workflow.slug and (
        json_text(agent.parameters_schema) != json_text(schema) or agent.workflow_version != workflow.version
    ):
        agent.parameters_schema = schema
        agent.workflow_version = workflow.version
        done.agents += 1
    return agent


async def _template(session: AsyncSession, done: Seeded, agent: Agent, example: Example, publisher_id: UUID) -> None:
    if await session.scalar(select(Template.id).where(Template.slug == example.slug)) is not None:
        return
    session.add(
        Template(
            slug=example.slug,
            name=example.name,
            description=example.description,
            agent_id=agent.id,
            parameters=dict(example.parameters),
            tags=list(example.tags),
            publisher_id=publisher_id,
            status=PublicationStatus.PUBLISHED,
            published_at=datetime.now(UTC),
        )
    )
    done.templates += 1
