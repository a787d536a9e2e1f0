"""Events for tests."""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

from shared_schema.contracts.events import Event, EventData
from shared_schema.ids import new_id


def make_event(
    topic: str = "instance.updated", *, subject: UUID | None = None, version: int = 1, owner: UUID | None = None
) -> Event:
    """Return an event of one aggregate."""
    row = subject or new_id()
    data = EventData(id=row, version=version, owner_id=owner or new_id(), status="RUNNING", agent_id=new_id())
    return Event(id=new_id(), source="botberi/test", type=topic, subject=row, data=data)


async def eventually(condition: Callable[[], bool], *, within: float = 10.0, what: str = "the condition") -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not hold within {within} s")
        await asyncio.sleep(0.01)
