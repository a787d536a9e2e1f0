"""The audit log as it is read: one's own entries, or all of them for admins."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import Select, or_, select

from shared_schema import models
from shared_schema.ids import InvalidGlobalId, split_global_id, to_global_id
from subgraphs.common.errors import BadInput
from subgraphs.common.ids import argument_id
from subgraphs.common.pagination import Order
from subgraphs.common.scalars import JSON

NEWEST: Order[models.AuditEntry] = Order("newest", models.AuditEntry.occurred_at, models.AuditEntry.id, descending=True)
_OUTCOMES = frozenset({"SUCCESS", "FAILURE", "DENIED"})


@strawberry.type(description="An entry of the audit log: who did what to which object, and what came of it.")
class AuditEntry:
    id: strawberry.ID
    sequence: str = strawberry.field(description="Its number in the log, which has no gaps.")
    occurred_at: datetime
    source: str = strawberry.field(description="The part of the platform that wrote it.")
    actor_id: strawberry.ID | None = strawberry.field(description="The account; null for a caller who is not known.")
    credential: str | None = strawberry.field(description="`SESSION` or `API_KEY`.")
    credential_id: strawberry.ID | None
    action: str
    object_type: str | None
    object_id: strawberry.ID | None
    outcome: str = strawberry.field(description="`SUCCESS`, `FAILURE` or `DENIED`.")
    ip_address: str | None
    user_agent: str | None
    detail: JSON
    hash: str = strawberry.field(description="SHA-256 of the entry and of the hash before it, in hexadecimal digits.")

    @classmethod
    def of(cls, row: models.AuditEntry) -> AuditEntry:
        """The entry as clients see it."""
        kind = "ApiKey" if row.credential == "API_KEY" else "Session"
        return cls(
            id=strawberry.ID(to_global_id("AuditEntry", row.id)),
            sequence=str(row.seq),
            occurred_at=row.occurred_at,
            source=row.source,
            actor_id=_global("Account", row.actor_id),
            credential=row.credential,
            credential_id=_global(kind, row.session_id),
            action=row.action,
            object_type=row.object_type,
            object_id=_global(_GRAPHQL.get(row.object_type or "", row.object_type or "Object"), row.object_id),
            outcome=row.outcome,
            ip_address=row.ip_address and str(row.ip_address),
            user_agent=row.user_agent,
            detail=JSON(row.detail),
            hash=row.hash.hex(),
        )


# Rows that clients know under another name.
_GRAPHQL = {"AccountSession": "Session"}


@strawberry.input(description="Which entries to show; all that is given has to hold.")
class AuditFilter:
    actor_id: strawberry.ID | None = None
    action: str | None = strawberry.field(
        default=None, description="An action, or the beginning of several: `session.`."
    )
    outcome: str | None = None
    source: str | None = None
    object_id: strawberry.ID | None = None
    ip_address: str | None = None
    since: datetime | None = None
    until: datetime | None = strawberry.field(default=None, description="Exclusive.")

    def applied(self, statement: Select[Any]) -> Select[Any]:
        """The statement with the filter's conditions."""
        entry = models.AuditEntry
        if self.actor_id is not None:
            statement = statement.where(entry.actor_id == argument_id("Account", self.actor_id))
        if self.action is not None:
            statement = statement.where(entry.action.startswith(self.action, autoescape=True))
        if self.outcome is not None:
            if self.outcome not in _OUTCOMES:
                raise BadInput(f"An outcome is one of {', '.join(sorted(_OUTCOMES))}.")
            statement = statement.where(entry.outcome == self.outcome)
        if self.source is not None:
            statement = statement.where(entry.source == self.source)
        if self.object_id is not None:
            statement = statement.where(entry.object_id == _row_id(self.object_id))
        if self.ip_address is not None:
            statement = statement.where(entry.ip_address == _address(self.ip_address))
        if self.since is not None:
            statement = statement.where(entry.occurred_at >= self.since)
        if self.until is not None:
            statement = statement.where(entry.occurred_at < self.until)
        return statement


def everything() -> Select[models.AuditEntry]:
    """All entries."""
    return select(models.AuditEntry)


def of_account(account_id: UUID) -> Select[models.AuditEntry]:
    """What an account did, and what was done to it."""
    entry = models.AuditEntry
    return select(entry).where(or_(entry.actor_id == account_id, entry.object_id == account_id))


def _global(kind: str, row_id: UUID | None) -> strawberry.ID | None:
    return strawberry.ID(to_global_id(kind, row_id)) if row_id is not None else None


def _row_id(text: str) -> UUID:
    try:
        return split_global_id(text)[1]
    except InvalidGlobalId as problem:
        raise BadInput("This is not an id.") from problem


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as problem:
        raise BadInput("This is not an IP address.") from problem
