"""The entities that wait for a subscription's consumer, and the versions that it got: each newer than the last."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from botberi_gateway import errors
from botberi_gateway.codec import encode
from botberi_gateway.errors import EventSourceError
from botberi_gateway.subscriptions.events import SourceEvent

#: The most entities of a subscription whose versions are remembered; beyond, that with the oldest event is dropped.
_MAX_REMEMBERED_VERSIONS: Final = 10_000

EntityKey = Mapping[str, Any]


def fingerprint_of(key: Any) -> bytes:
    """The JSON of a key or cursor, by which equal ones are recognised.

    The bytes are copied, as the writer's may keep kilobytes around them alive.
    """
    return bytes(memoryview(encode(key)))


class Moved(Enum):
    """The subscription goes on with another plan."""

    MOVED = "moved"


class Pending:
    """Entities that have changed, each once, in the order of their first event that isn't delivered yet.

    A slow consumer gets the newest state and no states in between. This is the subscription's listener
    (`botberi_gateway.subscriptions.router.Listener`). With each key comes the time, on the clock of `stamp`, before
    which an answer would be too old. `present` is the key by which the subscription catches up after a loss, None if it
    can't.
    """

    def __init__(self, limit: int, key_fields: tuple[str, ...], present: EntityKey | None, stamp: Callable[[], int]):
        self._limit = limit
        self._stamp = stamp
        self._keys: OrderedDict[bytes, tuple[EntityKey, int]] = OrderedDict()
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._end: EventSourceError | None = None
        self._ended = self._moved = False
        self.key_fields, self.present = key_fields, present

    def heard(self, event: SourceEvent) -> None:
        key = event.key
        if len(key) != len(self.key_fields) or any(name not in key for name in self.key_fields):
            if any(name not in key for name in self.key_fields):
                return
            key = {name: key[name] for name in self.key_fields}
        self.put(key)

    def resumed(self) -> None:
        if self.present is not None:
            self.put_first(self.present)
        else:
            self.ended(EventSourceError("Events were missed. Read the present state and subscribe again."))

    def ended(self, error: EventSourceError | None) -> None:
        if not self._ended:
            self._end, self._ended = error, True
            self._wake()

    def moved(self) -> None:
        """The next news is that the subscription goes on with another plan."""
        self._moved = True
        self._wake()

    def put(self, key: EntityKey) -> None:
        self._keys[fingerprint_of(key)] = (key, self._stamp())
        if len(self._keys) > self._limit:
            self._keys.clear()
            message = f"More than {self._limit} entities changed faster than the results were read."
            self.ended(EventSourceError(message, code=errors.SLOW_CONSUMER))
        self._wake()

    def put_first(self, key: EntityKey) -> None:
        self.put(key)
        if self._keys:
            self._keys.move_to_end(encode(key), last=False)

    def put_later(self, key: EntityKey, delay: float) -> None:
        """Put the entity after `delay` seconds, unless `close` is called before."""
        self.close()
        self._timer = asyncio.get_running_loop().call_later(delay, self.put, key)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def next(self) -> tuple[EntityKey, int] | Moved | None:
        """The next entity; None when no event will come; raises the error that ended the source."""
        while True:
            if self._moved:
                self._moved = False
                return Moved.MOVED
            if self._keys:
                return self._keys.popitem(last=False)[1]
            if self._ended:
                if self._end is not None:
                    raise self._end
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class WrongCursor(Exception):
    """The client's cursor is no version of this entity."""


class Versions:
    """The newest version of each entity that was delivered.

    The first version of an entity must be newer than `after`, the cursor from which a client resumes.
    """

    def __init__(self, after: str | None = None) -> None:
        self._after = after
        self._newest: OrderedDict[bytes, int | float | str] = OrderedDict()

    def rises(self, key: EntityKey, version: Any) -> bool:
        """Whether the version is newer than what was delivered; remembers it. Raises `WrongCursor`.

        An entity without a version is always newer.
        """
        if isinstance(version, bool) or not isinstance(version, int | float | str):
            return True
        fingerprint = fingerprint_of(key)
        newest = self._newest.get(fingerprint)
        if newest is None and self._after is not None:
            newest = _cursor(self._after, version)
        if newest is not None and isinstance(newest, str) == isinstance(version, str):
            if isinstance(version, str) or isinstance(newest, str):
                if _text_order(str(version)) <= _text_order(str(newest)):
                    return False
            elif version <= newest:
                return False
        self._newest[fingerprint] = version
        self._newest.move_to_end(fingerprint)
        if len(self._newest) > _MAX_REMEMBERED_VERSIONS:
            self._newest.popitem(last=False)
        return True


def _cursor(after: str, version: float | str) -> float | str:
    if isinstance(version, str):
        return after
    try:
        return int(after) if isinstance(version, int) else float(after)
    except ValueError:
        raise WrongCursor from None


def _text_order(version: str) -> tuple[int, int, str]:
    """The order of versions that are strings: numbers by value, other texts (such as UTC timestamps) by characters."""
    return (0, int(version), "") if version.isdecimal() and len(version) < 1000 else (1, 0, version)
