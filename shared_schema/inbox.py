"""A consumer's unit of work and an event -> whether it comes for the first time, remembered with the effect.

The bus delivers at least once. A consumer whose effect has a version to compare (`WHERE version < :version`) or a state
to ask for needs nothing else; one that counts, appends or sends has this:

    async with database.unit_of_work() as session:
        if await first_time(session, "billing", event):
            session.add(Charge(...))

Effect and memory commit together, so a crash in between has done neither. Two deliveries at once are one after the
other here: the second waits for the first to commit, and then is not the first.
"""

from sqlalchemy import CursorResult
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from shared_schema.contracts.events import Event
from shared_schema.models import SharedInbox, UserInbox

Inbox = type[SharedInbox] | type[UserInbox]


async def first_time(session: AsyncSession, consumer: str, event: Event, inbox: Inbox = SharedInbox) -> bool:
    """Return whether `consumer` has not dealt with the event yet; it has, once the unit of work commits.

    `inbox` is that of the database in which the effect is written. Rows stay for
    `BOTBERI_INBOX_RETENTION_HOURS`, which is longer than a replay can reach back.
    """
    result = await session.execute(_statement(consumer, event, inbox))
    return isinstance(result, CursorResult) and result.rowcount == 1


def _statement(consumer: str, event: Event, inbox: Inbox) -> Executable:
    return insert(inbox).values(consumer=consumer, event_id=event.id).on_conflict_do_nothing()
