"""A cache of operations that are ready to run, bounded by their number and by their estimated bytes.

Operations that were asked for once are evicted before those that were asked for again: a stream of operations that
never come again (clients that write literals into queries) takes an eighth of the cache and leaves the rest alone. An
operation that comes again soon after it was evicted is recognised, and is kept like one that was asked for twice.
The method follows 2Q, except that a hit in the first part promotes at once (Johnson and Shasha, "2Q: A Low Overhead
High Performance Buffer Management Replacement Algorithm", VLDB 1994).
"""

from collections import OrderedDict
from collections.abc import Hashable
from itertools import chain, islice
from typing import Final, Generic, Protocol, TypeVar


class Sized(Protocol):
    """An item that can estimate its size."""

    def estimate_bytes(self) -> int:
        """The memory that it takes."""


KeyT = TypeVar("KeyT", bound=Hashable)
ItemT = TypeVar("ItemT", bound=Sized)

#: The part of the cache for what was asked for once. It has at least so many items and bytes; where the whole cache has
#: too many, the part is cut back to its eighth of the items.
_ONCE_SHARE: Final = 8
_MIN_ONCE: Final = 16
_MIN_ONCE_BYTES: Final = 1_000_000
#: Hashes of evicted keys are remembered: at most this many times `max_items`.
_REMEMBERED: Final = 4


class OperationCache(Generic[KeyT, ItemT]):
    """A bounded mapping, for one event loop. `keep` counts as an item's first request, `get` as a further one."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items, self._max_bytes = max_items, max_bytes
        self._max_once = min(max_items, max(max_items // _ONCE_SHARE, _MIN_ONCE))
        self._max_once_bytes = min(max_bytes, max(max_bytes // _ONCE_SHARE, _MIN_ONCE_BYTES))
        self._once: OrderedDict[KeyT, ItemT] = OrderedDict()
        self._again: OrderedDict[KeyT, ItemT] = OrderedDict()
        self._evicted: OrderedDict[int, None] = OrderedDict()
        self._sizes: dict[KeyT, int] = {}
        self._once_bytes = 0
        #: What the items take, as estimated when each came.
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, key: KeyT) -> bool:
        return key in self._sizes

    def get(self, key: KeyT) -> ItemT | None:
        """The item, now the last to be evicted of those asked for again; None where it is not kept."""
        item = self._again.get(key)
        if item is not None:
            self._again.move_to_end(key)
            return item
        item = self._once.pop(key, None)
        if item is not None:
            self._once_bytes -= self._sizes[key]
            self._again[key] = item
        return item

    def latest(self, count: int) -> list[KeyT]:
        """Keys of what is kept: those that were asked for more than once and lately come first."""
        return list(islice(chain(reversed(self._again), reversed(self._once)), count))

    def keep(self, key: KeyT, item: ItemT) -> None:
        """Keep the item in place of the one with this key, unless it is larger than the cache; others are evicted."""
        self._drop(key)
        size = item.estimate_bytes()
        if size > self._max_bytes:
            return
        self._sizes[key] = size
        self.bytes += size
        if hash(key) in self._evicted:
            del self._evicted[hash(key)]
            self._again[key] = item
        else:
            self._once[key] = item
            self._once_bytes += size
        self._evict()

    def weigh(self, key: KeyT) -> None:
        """Estimate the item's size again, as it has grown; others are evicted for it, or it itself."""
        item = self._once.get(key) or self._again.get(key)
        if item is None:
            return
        size = item.estimate_bytes()
        if size > self._max_bytes:
            self._drop(key)
            return
        self.bytes += size - self._sizes[key]
        if key in self._once:
            self._once_bytes += size - self._sizes[key]
        self._sizes[key] = size
        self._evict()

    def _evict(self) -> None:
        while self._once and (len(self._once) > self._max_once or self._once_bytes > self._max_once_bytes):
            self._drop(key := next(iter(self._once)))
            self._remember(key)
        while self._sizes and (len(self._sizes) > self._max_items or self.bytes > self._max_bytes):
            once_exceeds_share = len(self._once) > self._max_items // _ONCE_SHARE
            # Counted in items alone.
            self._drop(key := next(iter(self._once if once_exceeds_share or not self._again else self._again)))
            self._remember(key)

    def _remember(self, key: KeyT) -> None:
        self._evicted[hash(key)] = None
        while len(self._evicted) > self._max_items * _REMEMBERED:
            self._evicted.popitem(last=False)

    def _drop(self, key: KeyT) -> None:
        size = self._sizes.pop(key, None)
        if size is None:
            return
        self.bytes -= size
        if self._once.pop(key, None) is not None:
            self._once_bytes -= size
        else:
            del self._again[key]
