"""Settings of the garbage collector and the C allocator.

They suit a process that keeps much and leaves little behind after each request.
"""

import asyncio
import ctypes
import gc
import sys
import time
from typing import Final

#: Containers that come and stay before the young are looked at, and how many such looks make one at the older ones.
#: Requests and dropped operations leave no cycles, so what is counted are bursts: with a hundred times as many (as it
#: was) the cycles of anything else piled up to millions of objects. Python's own 700 cost 5 to 15 % of a request that
#: makes many objects. A full collection looks only at what came since the last one (`_Collector`), so it may come soon.
THRESHOLDS: Final = (20_000, 5, 2)

#: Seconds between two collections that look at every object of the process, and by what factor the objects have grown
#: since the last. Such a collection stops the process for some 100 ms in 300,000 objects.
_WHOLE_INTERVAL_SECONDS: Final = 600.0
_WHOLE_GROWTH: Final = 1.25

#: `mallopt`'s numbers (malloc.h).
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
#: Blocks from this size on have pages of their own, which go back at once: a fixed size, as glibc otherwise raises it
#: to 32 MiB with the first large block that is freed, and from then on large answers part the heap.
_OWN_PAGES: Final = 512 * 1024
#: Free memory at the heap's end that is kept.
_KEPT: Final = 2 * 1024 * 1024


#: Objects that must have outlived a full collection before they are set aside: to look at so many takes some 10 ms.
#: With fewer (operations that come once and make room for one another, requests in flight) nothing is: each time, the
#: cycles of what is in flight at that moment are set aside too, and stay until the next collection of everything.
_SET_ASIDE: Final = 50_000


#: Seconds between two collections after supergraphs were replaced. One takes 50 ms for a small graph: more often, and
#: one request in a hundred would wait for it.
_RESETTLE_INTERVAL_SECONDS: Final = 15.0


class _Collector:
    """Sets aside what has outlived a full collection, so that the next one looks only at what came since.

    Objects that are set aside are freed as soon as nothing refers to them; their cycles wait for the next look at
    everything.
    """

    def __init__(self) -> None:
        self._count = 0
        self._whole_at = time.monotonic()
        #: Whether the next full collection looks at everything.
        self._is_whole = False

    def whole(self) -> None:
        """Collect everything now, and set aside what is left."""
        gc.unfreeze()
        self._is_whole = True
        gc.collect()
        # The callback has done this as well, but only after `settle`.
        gc.freeze()

    def after(self, phase: str, details: dict[str, int]) -> None:
        """The callback for `gc.callbacks`: sets objects aside after full collections."""
        if phase != "stop" or details["generation"] != 2:
            return
        if self._is_whole:
            gc.freeze()
            self._is_whole = False
            self._whole_at, self._count = time.monotonic(), gc.get_freeze_count()
        elif (
            time.monotonic() - self._whole_at > _WHOLE_INTERVAL_SECONDS
            and gc.get_freeze_count() > self._count * _WHOLE_GROWTH
        ):
            gc.unfreeze()
            self._is_whole = True
        elif len(gc.get_objects(generation=2)) >= _SET_ASIDE:
            gc.freeze()


_collector: Final = _Collector()


def settle() -> None:
    """Set aside everything that exists after start-up, so that the garbage collector doesn't look at it again.

    It also turns the collector on. Call it again when more objects have come that stay.
    """
    _bound_heap()
    if _collector.after not in gc.callbacks:
        gc.callbacks.append(_collector.after)
    _collector.whole()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()


def resettle() -> None:
    """Free a supergraph that was replaced, and set aside the new one. Takes a moment."""
    _collector.whole()


class _Resettling:
    """Calls `resettle` after a supergraph was replaced, but not often: it stops the process for a moment each time."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """Have it called now, or as soon as the last call is long enough ago."""
        if self._timer is None:
            wait = self._last + _RESETTLE_INTERVAL_SECONDS - time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(wait, 0.0), self._now)

    def _now(self) -> None:
        self._timer = None
        resettle()
        self._last = time.monotonic()


#: For `Gateway.on_replaced`: frees replaced supergraphs, several at once where they come quickly.
resettle_soon: Final = _Resettling().soon


def _bound_heap() -> None:
    """Give all threads one heap, and large blocks memory of their own.

    Threads take turns anyway, and each further heap would keep what was freed in it.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library, such as musl
        return
    for name, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _OWN_PAGES), (_M_TRIM_THRESHOLD, _KEPT)):
        mallopt(name, value)
