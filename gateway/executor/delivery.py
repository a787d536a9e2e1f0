"""What waits for a subscription's consumer, and what was delivered: newest state only, versions only upwards."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from gateway.errors import EventSourceError
from gateway.upstream.codec import encode

#: Versions are remembered of so many entities of one subscription; of those that were heard of longest ago they are forgotten.
_REMEMBERED_VERSIONS: Final = 10_000

EntityKey = Mapping[str, Any]


class Pending:
    """Entities with news, each once, in order of their first unheard news: a slow consumer finds the newest state and nothing in between."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._keys: OrderedDict[bytes, EntityKey] = OrderedDict()
        self._news = asyncio.Event()
        self._end: Exception | None = None
        self._ended = False

    def put(self, key: EntityKey) -> None:
        self._keys.setdefault(encode(key), key)
        if len(self._keys) > self._limit:
            self._keys.clear()
            self.close(EventSourceError(f"More than {self._limit} entities changed faster than the results were read."))
        self._news.set()

    def put_first(self, key: EntityKey) -> None:
        self.put(key)
        self._keys.move_to_end(encode(key), last=False)

    def close(self, error: Exception | None) -> None:
        if not self._ended:
            self._end, self._ended = error, True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[EntityKey]:
        while True:
            while self._keys:
                yield self._keys.popitem(last=False)[1]
            if self._ended:
                if self._end is not None:
                    raise self._end
                return
            self._news.clear()
            await self._news.wait()


class Versions:
    """The newest version that was delivered, by entity."""

    def __init__(self) -> None:
        self._newest: OrderedDict[bytes, int | float | str] = OrderedDict()

    def rises(self, key: EntityKey, version: Any) -> bool:
        """Is it newer than what was delivered? What has no version always is. Remembers it."""
        if isinstance(version, bool) or not isinstance(version, int | float | str):
            return True
        mark = encode(key)
        newest = self._newest.get(mark)
        if newest is not None and isinstance(newest, str) == isinstance(version, str):
            if isinstance(version, str) or isinstance(newest, str):
                if _text_order(str(version)) <= _text_order(str(newest)):
                    return False
            elif version <= newest:
                return False
        self._newest[mark] = version
        self._newest.move_to_end(mark)
        if len(self._newest) > _REMEMBERED_VERSIONS:
            self._newest.popitem(last=False)
        return True


def _text_order(version: str) -> tuple[int, int, str]:
    """Big integers are often sent as strings: those are compared as numbers, other texts (such as UTC timestamps) as they are."""
    return (0, int(version), "") if version.isdecimal() and len(version) < 1000 else (1, 0, version)
