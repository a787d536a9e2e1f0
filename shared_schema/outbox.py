"""A session and what happened -> a row of its outbox, in the same transaction.

Changes of accounts, agents, templates and instances write their rows by trigger; `record` is for what
no row's change expresses. `to_event` is how a row reads on the bus.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.contracts.events import Event, EventData
from shared_schema.models import SharedOutbox, UserOutbox


def record(session: AsyncSession, outbox: type[SharedOutbox | UserOutbox], event_type: str, data: EventData) -> None:
    """Add an event to the outbox; it leaves if and only if the unit of work commits."""
    session.add(
        outbox(
            aggregate_type=event_type.partition(".")[0],
            aggregate_id=data.id,
            version=data.version,
            event_type=event_type,
            data=data.model_dump(mode="json"),
        )
    )


def to_event(
    *, row_id: UUID, database: str, event_type: str, aggregate_id: UUID, created_at: datetime, data: dict[str, Any]
) -> Event:
    """Return an outbox row as an event; raises `ValueError` for a row that is none."""
    return Event(
        id=row_id,
        source=f"botberi/{database}",
        type=event_type,
        subject=aggregate_id,
        time=created_at,
        data=EventData.model_validate(data),
    )
