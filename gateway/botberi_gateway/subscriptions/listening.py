"""A subscription's registration at the event router: made before the first read, and again for other events."""

from typing import Final

from botberi_gateway import errors
from botberi_gateway.backoff import pause_after
from botberi_gateway.errors import ErrorEntry, EventSourceError
from botberi_gateway.plan import EventTrigger
from botberi_gateway.subscriptions.conditions import arguments, conditions, topics
from botberi_gateway.subscriptions.delivery import EntityKey, Moved, Pending
from botberi_gateway.subscriptions.live import Live
from botberi_gateway.subscriptions.router import Conditions, Place

#: The key of all events of a feed.
FEED: Final[EntityKey] = {}
#: The argument that says after which event to resume.
_AFTER: Final = "after"
_FIRST_RETRY_SECONDS: Final = 0.5
_MAX_RETRY_SECONDS: Final = 30.0
_MAX_CURSOR_CHARACTERS: Final = 1024


#: Codes of failures that further tries can't fix: the subscription ends with them.
FINAL_CODES: Final = frozenset({errors.BAD_USER_INPUT, errors.UNAUTHENTICATED, errors.FORBIDDEN})


class Refused(Exception):
    """The subscription can't begin; `entry` says why."""

    def __init__(self, entry: ErrorEntry) -> None:
        super().__init__(entry.message)
        self.entry = entry


class Listening:
    """The events of a subscription from `begin` to `end`. `next` gives the present state first, if there is one."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._place: Place | None = None
        self._pending: Pending | None = None
        self._where: tuple[frozenset[str], Conditions] | None = None
        self._single_flight = live.stage.subscriber.single_flight

    @property
    def trigger(self) -> EventTrigger:
        """The event trigger with which the subscription's present plan begins."""
        primary = self._live.stage.node.primary
        assert isinstance(primary, EventTrigger)
        return primary

    @property
    def single_entity(self) -> bool:
        """Whether all events are about the same entity."""
        trigger = self.trigger
        if trigger.snapshot:
            return True
        names = {condition.partition("=")[0].strip() for condition in trigger.where}
        return any(name in names for name in trigger.key_fields)

    def cursor(self) -> str | None:
        """The event after which the client resumes: by its transport, which is newer, or by the argument."""
        cursor = self._live.stage.subscriber.last_event_id
        if cursor is None:
            value = arguments(self.trigger, self._live.stage.variables).get(_AFTER)
            cursor = None if value is None else str(value)
        return cursor or None

    async def begin(self) -> None:
        """Join the event router. Raises `Refused`, `EventSourceError`."""
        stage = self._live.stage
        if stage.subscriber.events.router is None:
            raise EventSourceError("This gateway has no event source.")
        topic_set, event_conditions, present = self._interest()
        fields = () if self.trigger.feed is not None else self.trigger.key_fields
        self._pending = Pending(
            stage.runtime.environment.config.max_pending_events, fields, present, self._single_flight.stamp
        )
        self._live.on_change = self._pending.moved
        self._single_flight.members += 1
        try:
            await self._listen(topic_set, event_conditions)
        except BaseException:
            await self.end()
            raise
        if present is not None:
            self._pending.put_first(present)

    async def next(self) -> tuple[EntityKey, int] | Moved | None:
        """A key with news, or that the plan has changed; None at the end. Raises what ended it."""
        assert self._pending is not None
        news = await self._pending.next()
        if not isinstance(news, Moved):
            return news
        if self._live.failure is not None:
            raise self._live.failure
        topic_set, event_conditions, present = self._interest()
        if (topic_set, event_conditions) != self._where:
            await self._listen(topic_set, event_conditions)
            if present is not None:
                self._pending.put_first(present)
        self._pending.present = present
        self._pending.key_fields = () if self.trigger.feed is not None else self.trigger.key_fields
        return news

    def again(self, key: EntityKey, failures: int) -> None:
        """Put the entity again after a pause that grows with the failures."""
        assert self._pending is not None
        self._pending.put_later(key, pause_after(failures, _FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS))

    def _interest(self) -> tuple[frozenset[str], Conditions, EntityKey | None]:
        trigger, stage = self.trigger, self._live.stage
        values = arguments(trigger, stage.variables)
        cursor = self.cursor()
        if cursor is not None and (len(cursor) > _MAX_CURSOR_CHARACTERS or not cursor.isprintable()):
            raise Refused(wrong_cursor(trigger))
        topic_set = topics(trigger, values)
        if isinstance(topic_set, ErrorEntry):
            raise Refused(topic_set)
        event_conditions = conditions(trigger, values, stage.subscriber.subject)
        if isinstance(event_conditions, ErrorEntry):
            raise Refused(event_conditions)
        present: EntityKey | None = None
        if trigger.feed is not None:
            present = FEED
        elif trigger.snapshot:
            present = {name: values.get(name) for name in trigger.key_fields}
        return topic_set, event_conditions, present

    async def _listen(self, topic_set: frozenset[str], event_conditions: Conditions) -> None:
        """Join at a new place before the old one is left, so that no event is missed."""
        router = self._live.stage.subscriber.events.router
        assert router is not None
        assert self._pending is not None
        place = await router.join(topic_set, event_conditions, self._pending)
        old, self._place, self._where = self._place, place, (topic_set, event_conditions)
        if old is not None:
            await old.leave()

    async def end(self) -> None:
        """Leave the event router."""
        assert self._pending is not None
        self._live.on_change = None
        self._single_flight.members -= 1
        self._pending.close()
        if self._place is not None:
            await self._place.leave()


def wrong_cursor(trigger: EventTrigger) -> ErrorEntry:
    """The error for a client that resumes after an event that this subscription never sent."""
    message = f"{trigger.response_key} can't resume: the cursor is none of its own."
    return ErrorEntry(message, errors.BAD_USER_INPUT, (trigger.response_key,))
