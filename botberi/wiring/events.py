"""Events of the platform's bus -> the gateway's event source for subscription fields."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from botberi_gateway.errors import EventSourceError
from botberi_gateway.subscriptions.events import SourceEvent
from event_broker.bus import Bus, BusError
from shared_schema import killpoints
from shared_schema.contracts.events import Event
from shared_schema.ids import to_global_id

#: The first word of an event's type -> the entity it is about, as the supergraph calls it.
ENTITIES: Final = {"instance": "Instance", "agent": "Agent", "template": "Template", "account": "Account"}


@dataclass(frozen=True, slots=True)
class BusEventSource:
    """The gateway's `EventSource`, filled with the bus."""

    bus: Bus

    @contextlib.asynccontextmanager
    async def follow(self, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[SourceEvent]]:
        """Implements `botberi_gateway.subscriptions.events.EventSource`."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                events = await stack.enter_async_context(self.bus.follow(topics))
            except (BusError, ValueError) as error:
                raise EventSourceError(f"The event bus can't be followed: {error}") from error
            killpoints.reach("gateway.following")
            yield _translated(events)


async def _translated(events: AsyncIterator[Event]) -> AsyncIterator[SourceEvent]:
    try:
        async for event in events:
            killpoints.reach("gateway.event")
            translated = source_event(event)
            if translated is not None:
                yield translated
    except BusError as error:
        raise EventSourceError(f"The event bus lost this follower: {error}") from error


def source_event(event: Event) -> SourceEvent | None:
    """Translate an event for the gateway; None for one that is about no entity of the supergraph."""
    entity = ENTITIES.get(event.type.partition(".")[0])
    if entity is None:
        return None
    entity_id = to_global_id(entity, event.data.id)
    # Events from before workspaces were the owner's own.
    workspace = event.data.workspace_id or event.data.owner_id
    attributes: dict[str, object] = {
        "id": entity_id,
        "owner": None if event.data.owner_id is None else str(event.data.owner_id),
        # As clients name it, and as it is written: a personal workspace has the id of its account, `@subject`.
        "workspace": None if workspace is None else to_global_id("Workspace", workspace),
        "workspaceKey": None if workspace is None else str(workspace),
        "status": event.data.status,
        "version": event.data.version,
        "terminal": event.data.terminal,
    }
    return SourceEvent(topic=event.type, key={"id": entity_id}, attributes=attributes)
