"""Events `audit.recorded` of the bus -> rows of the audit log in `user_psql`, each once."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sqlalchemy import insert

from event_broker.bus import Bus
from shared_schema.contracts.events import AuditRecorded, Event
from shared_schema.database import Database
from shared_schema.inbox import first_time
from shared_schema.models import AuditEntry, UserInbox

log = logging.getLogger(__name__)

QUEUE: Final = "audit-trail"
TOPIC: Final = "audit.recorded"


class AuditTrail:
    """Consumes until it is stopped; several may run, and the inbox keeps an entry from being written twice."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """`database` is `user_psql`."""
        self._bus = bus
        self._database = database

    async def run(self, stop: asyncio.Event) -> None:
        """Write entries until `stop` is set."""
        consumer = await self._bus.consume(QUEUE, (TOPIC,), self.handle)
        try:
            await stop.wait()
        finally:
            await consumer.aclose()

    async def handle(self, event: Event) -> None:
        """Write one entry. Raises, and so gets the event again, when the database doesn't answer."""
        data = event.data
        if not isinstance(data, AuditRecorded):
            raise TypeError(f"{event.type} is no entry of the audit log")
        async with self._database.unit_of_work() as session:
            if not await first_time(session, QUEUE, event, UserInbox):
                return
            # A plain insert: this program's role may add rows to the log and read none.
            values = insert(AuditEntry).values(
                id=data.id,
                occurred_at=event.time,
                source=data.source,
                actor_id=data.owner_id,
                credential=data.credential,
                session_id=data.credential_id,
                action=data.action,
                object_type=data.object_type,
                object_id=data.object_id,
                outcome=data.outcome,
                ip_address=data.ip_address,
                user_agent=data.user_agent,
                detail=data.detail,
            )
            await session.execute(values)
