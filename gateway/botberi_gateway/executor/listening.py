"""One subscription's place at the event source: heard before the first look, and again where a new plan listens to something else."""

from typing import Final

from botberi_gateway import errors
from botberi_gateway.backoff import pause_after
from botberi_gateway.errors import ErrorEntry, EventSourceError
from botberi_gateway.executor.conditions import arguments, conditions, topics
from botberi_gateway.executor.delivery import EntityKey, Moved, Pending
from botberi_gateway.executor.live import Live
from botberi_gateway.plan import EventTrigger
from botberi_gateway.upstream.router import Conditions, Place

#: The one thing that a feed's events are about.
FEED: Final[EntityKey] = {}
#: The argument that says after which event to resume.
_AFTER: Final = "after"
_FIRST_RETRY: Final = 0.5
_LAST_RETRY: Final = 30.0
_LONGEST_CURSOR: Final = 1024


#: Of failures that no patience mends: the subscription ends with them.
FINAL_CODES: Final = frozenset({errors.BAD_USER_INPUT, errors.UNAUTHENTICATED, errors.FORBIDDEN})


class Refused(Exception):
    """The subscription can't begin; `entry` says why."""

    def __init__(self, entry: ErrorEntry) -> None:
        super().__init__(entry.message)
        self.entry = entry


class Listening:
    """Between `begin`, from which on events are heard, and `end`. What `next` gives first is the present state, where the trigger has one."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._place: Place | None = None
        self._pending: Pending | None = None
        self._where: tuple[frozenset[str], Conditions] | None = None
        self._flights = live.stage.runtime.flights

    @property
    def trigger(self) -> EventTrigger:
        """What the subscription's present plan begins with."""
        primary = self._live.stage.node.primary
        assert isinstance(primary, EventTrigger)
        return primary

    @property
    def about_one(self) -> bool:
        """Whether all events are about one entity."""
        trigger = self.trigger
        if trigger.snapshot:
            return True
        names = {condition.partition("=")[0].strip() for condition in trigger.where}
        return any(name in names for name in trigger.key_fields)

    def cursor(self) -> str | None:
        """After which event the client resumes: what its transport says, which is newer, or the argument."""
        given = self._live.stage.runtime.last_event_id
        if given is None:
            value = arguments(self.trigger, self._live.stage.variables).get(_AFTER)
            given = None if value is None else str(value)
        return given or None

    async def begin(self) -> None:
        """Raises `Refused`, `EventSourceError`."""
        stage = self._live.stage
        if stage.runtime.environment.event_router is None:
            raise EventSourceError("This gateway has no event source.")
        wanted_topics, wanted, present = self._wishes()
        fields = () if self.trigger.feed is not None else self.trigger.key_fields
        self._pending = Pending(
            stage.runtime.environment.config.max_pending_events, fields, present, self._flights.stamp
        )
        self._live.on_change = self._pending.moved
        self._flights.members += 1
        try:
            await self._listen(wanted_topics, wanted)
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
        wanted_topics, wanted, present = self._wishes()
        if (wanted_topics, wanted) != self._where:
            await self._listen(wanted_topics, wanted)
            if present is not None:
                self._pending.put_first(present)
        self._pending.present = present
        self._pending.key_fields = () if self.trigger.feed is not None else self.trigger.key_fields
        return news

    def again(self, key: EntityKey, failures: int) -> None:
        """Ask for it once more, later and later."""
        assert self._pending is not None
        self._pending.put_later(key, pause_after(failures, _FIRST_RETRY, _LAST_RETRY))

    def _wishes(self) -> tuple[frozenset[str], Conditions, EntityKey | None]:
        trigger, stage = self.trigger, self._live.stage
        given = arguments(trigger, stage.variables)
        cursor = self.cursor()
        if cursor is not None and (len(cursor) > _LONGEST_CURSOR or not cursor.isprintable()):
            raise Refused(wrong_cursor(trigger))
        wanted_topics = topics(trigger, given)
        if isinstance(wanted_topics, ErrorEntry):
            raise Refused(wanted_topics)
        wanted = conditions(trigger, given, stage.runtime.subject)
        if isinstance(wanted, ErrorEntry):
            raise Refused(wanted)
        present: EntityKey | None = None
        if trigger.feed is not None:
            present = FEED
        elif trigger.snapshot:
            present = {name: given.get(name) for name in trigger.key_fields}
        return wanted_topics, wanted, present

    async def _listen(self, wanted_topics: frozenset[str], wanted: Conditions) -> None:
        """The new place is taken before the old one is left."""
        router = self._live.stage.runtime.environment.event_router
        assert router is not None
        assert self._pending is not None
        place = await router.join(wanted_topics, wanted, self._pending)
        old, self._place, self._where = self._place, place, (wanted_topics, wanted)
        if old is not None:
            await old.leave()

    async def end(self) -> None:
        """Hear nothing any more."""
        assert self._pending is not None
        self._live.on_change = None
        self._flights.members -= 1
        self._pending.close()
        if self._place is not None:
            await self._place.leave()


def wrong_cursor(trigger: EventTrigger) -> ErrorEntry:
    """The client resumes after something that this subscription never sent."""
    message = f"{trigger.response_key} can't resume: the cursor is none of its own."
    return ErrorEntry(message, errors.BAD_USER_INPUT, (trigger.response_key,))
