"""Operations that are ready to run, kept within a number and an estimate of bytes.

An operation that was asked for once makes room before one that was asked for again: a stream of operations that never
come again (clients that write literals into queries) takes an eighth of the cache and leaves the rest alone. An
operation that comes again soon after it has made room is recognised, and is kept like one that was asked for twice.
The method is 2Q (Johnson and Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement Algorithm",
VLDB 1994).
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, Protocol, TypeVar


class Sized(Protocol):
    """What can be kept."""

    def estimate_bytes(self) -> int:
        """The memory that it takes."""


KeyT = TypeVar("KeyT", bound=Hashable)
ItemT = TypeVar("ItemT", bound=Sized)

#: The part of the cache for what was asked for once. A small cache gives it so many operations and bytes as long as
#: there is room.
_ONCE_SHARE: Final = 8
_MIN_ONCE: Final = 16
_MIN_ONCE_BYTES: Final = 1_000_000
#: Keys that made room are remembered, by their hashes, so many times the number of operations.
_REMEMBERED: Final = 4


class OperationCache(Generic[KeyT, ItemT]):
    """A bounded mapping; `get` says that an item was asked for."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items, self._max_bytes = max_items, max_bytes
        self._max_once = min(max_items, max(max_items // _ONCE_SHARE, _MIN_ONCE))
        self._max_once_bytes = min(max_bytes, max(max_bytes // _ONCE_SHARE, _MIN_ONCE_BYTES))
        self._once: OrderedDict[KeyT, ItemT] = OrderedDict()
        self._again: OrderedDict[KeyT, ItemT] = OrderedDict()
        self._made_room: OrderedDict[int, None] = OrderedDict()
        self._sizes: dict[KeyT, int] = {}
        self._once_bytes = 0
        #: What the items take, as estimated when each came.
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, key: KeyT) -> bool:
        return key in self._sizes

    def get(self, key: KeyT) -> ItemT | None:
        """The item, which now makes room after all others; None where it is not kept."""
        item = self._again.get(key)
        if item is not None:
            self._again.move_to_end(key)
            return item
        item = self._once.pop(key, None)
        if item is not None:
            self._once_bytes -= self._sizes[key]
            self._again[key] = item
        return item

    def keep(self, key: KeyT, item: ItemT) -> None:
        """Keep the item in place of the one with this key; others make room."""
        self._drop(key)
        self._sizes[key] = size = item.estimate_bytes()
        self.bytes += size
        if hash(key) in self._made_room:
            del self._made_room[hash(key)]
            self._again[key] = item
        else:
            self._once[key] = item
            self._once_bytes += size
        self._make_room()

    def _make_room(self) -> None:
        while self._once and (len(self._once) > self._max_once or self._once_bytes > self._max_once_bytes):
            self._drop(key := next(iter(self._once)))
            self._remember(key)
        while self._sizes and (len(self._sizes) > self._max_items or self.bytes > self._max_bytes):
            takes_more = len(self._once) > self._max_items // _ONCE_SHARE
            self._drop(key := next(iter(self._once if takes_more or not self._again else self._again)))
            self._remember(key)

    def _remember(self, key: KeyT) -> None:
        self._made_room[hash(key)] = None
        while len(self._made_room) > self._max_items * _REMEMBERED:
            self._made_room.popitem(last=False)

    def _drop(self, key: KeyT) -> None:
        size = self._sizes.pop(key, None)
        if size is None:
            return
        self.bytes -= size
        if self._once.pop(key, None) is not None:
            self._once_bytes -= size
        else:
            del self._again[key]
