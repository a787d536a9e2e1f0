"""A session and what happened -> a row of its outbox, in the same transaction.

Changes of accounts, agents, templates and instances write their rows by trigger; `record` is for what
no row's change expresses. `to_event` is how a row reads on the bus.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.contracts.events import Event, EventData, contract_of
from shared_schema.models import SharedOutbox, UserOutbox


def record(
    session: AsyncSession,
    outbox: type[SharedOutbox | UserOutbox],
    event_type: str,
    data: EventData,
    *,
    data_version: int = 1,
) -> None:
    """Add an event to the outbox; it leaves if and only if the unit of work commits.

    Raises `ValueError` when the data is not what the type's contract says.
    """
    body = data.model_dump(mode="json")
    contract_of(event_type, data_version).data.model_validate(body)
    session.add(
        outbox(
            aggregate_type=event_type.partition(".")[0],
            aggregate_id=data.id,
            version=data.version,
            event_type=event_type,
            data_version=data_version,
            data=body,
        )
    )


def to_event(
    *,
    row_id: UUID,
    database: str,
    event_type: str,
    data_version: int,
    aggregate_id: UUID,
    created_at: datetime,
    data: dict[str, Any],
    actor: str | None,
    traceparent: str,
) -> Event:
    """Return an outbox row as an event; raises `ValueError` for a row that is none, or breaks its type's contract."""
    return Event(
        id=row_id,
        source=f"botberi/{database}",
        type=event_type,
        subject=aggregate_id,
        time=created_at,
        dataversion=data_version,
        actor=actor,
        traceparent=traceparent or None,
        data=contract_of(event_type, data_version).data.model_validate(data),
    )
