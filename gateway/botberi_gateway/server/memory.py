"""The garbage collector and the C library's allocator, told what lives long, so that requests leave little behind and memory is given back."""

import ctypes
import gc
import sys
from typing import Final

#: Containers that come and stay before the young are looked at, and how many such looks make one at the older ones. Requests and dropped
#: operations leave no cycles, so what is counted are bursts: with a hundred times as many (as it was) the cycles of anything else piled up
#: to millions of objects. Python's own 700 cost 5 to 15 % of a request that makes many objects.
THRESHOLDS: Final = (50_000, 5, 5)

#: `mallopt`'s numbers (malloc.h).
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
#: Blocks from this size on have pages of their own, which go back at once: a fixed size, as glibc otherwise raises it to 32 MiB with the first
#: large block that is freed, and from then on large answers part the heap.
_OWN_PAGES: Final = 512 * 1024
#: Free memory at the heap's end that is kept.
_KEPT: Final = 2 * 1024 * 1024


def settle() -> None:
    """After start-up: what is there lives to the end, the collector need not look at it again. Turns it on where it was off."""
    _bound_heap()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()


def resettle() -> None:
    """After a supergraph was replaced: frees the old one, which was set aside, and sets aside the new one. Takes a moment."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _bound_heap() -> None:
    """One heap for all threads (they take turns anyway, and each further heap keeps what was freed in it), large blocks apart from it."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library, such as musl
        return
    for name, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _OWN_PAGES), (_M_TRIM_THRESHOLD, _KEPT)):
        mallopt(name, value)
