"""`turns.py FILE STACKS PROGRAM ARGUMENTS…` runs a Python program and notes the longest turn of its event loop.

A timer of the loop comes every few milliseconds. Between two of its calls the loop's thread has used processor time:
the most of it is written to FILE, as a double, in seconds. Other processes take turns on a busy machine and lengthen
what a clock shows, but not this.

Where STACKS isn't empty, what the loop's thread was doing is appended to that file whenever the timer is overdue, and
every collection of garbage that took 10 ms or more, in whichever thread.
"""

import asyncio
import gc
import mmap
import runpy
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

#: Seconds between two calls of the timer.
PAUSE: Final = 0.004
#: Seconds after which an overdue timer is worth a note of the stack, and between two notes.
_OVERDUE: Final = 0.03
_NOTES: Final = 0.01
#: One double.
LAYOUT: Final = struct.Struct("d")


class Watch:
    """The timer of one loop. Call `begin` once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, longest: mmap.mmap) -> None:
        self._loop = loop
        self._longest = longest
        self._used = 0.0
        #: The thread that runs the loop, and when the timer was last called; None before.
        self.thread: int | None = None
        self.called = 0.0

    def begin(self) -> None:
        """Call it in the loop's thread."""
        self.thread = threading.get_ident()
        self._used = time.thread_time()
        self._tick()

    def _tick(self) -> None:
        used = time.thread_time()
        (longest,) = LAYOUT.unpack_from(self._longest)
        if used - self._used > longest:
            LAYOUT.pack_into(self._longest, 0, used - self._used)
        self._used = used
        self.called = time.monotonic()
        self._loop.call_later(PAUSE, self._tick)


def _note_stacks(watch: Watch, path: Path) -> None:
    while True:
        time.sleep(_NOTES)
        late = time.monotonic() - watch.called - PAUSE
        if watch.thread is None or late < _OVERDUE:
            continue
        frame = sys._current_frames().get(watch.thread)
        if frame is not None:
            with path.open("a") as file:
                file.write(f"--- {late * 1_000:.0f} ms late\n{''.join(traceback.format_stack(frame)[-14:])}")


def _note_collections(path: Path) -> None:
    began = 0.0

    def note(phase: str, details: dict[str, int]) -> None:
        nonlocal began
        used = time.thread_time()
        if phase == "start":
            began = used
        elif used - began > _NOTES:
            with path.open("a") as file:
                generation, thread = details["generation"], threading.current_thread().name
                file.write(f"+++ {(used - began) * 1_000:.0f} ms of collecting generation {generation} in {thread}\n")

    gc.callbacks.append(note)


def watching(make: Callable[[], Any], longest: mmap.mmap, stacks: str) -> Callable[[], Any]:
    """A loop factory whose loops are watched."""

    def watched() -> Any:
        loop = make()
        watch = Watch(loop, longest)
        loop.call_soon(watch.begin)
        if stacks:
            _note_collections(Path(stacks))
            threading.Thread(target=_note_stacks, args=(watch, Path(stacks)), daemon=True).start()
        return loop

    return watched


def main() -> None:
    """Run the program as if it had been started by itself."""
    import uvloop

    _, path, stacks, program, *arguments = sys.argv
    with Path(path).open("r+b") as file:
        longest = mmap.mmap(file.fileno(), LAYOUT.size)
    uvloop.new_event_loop = watching(uvloop.new_event_loop, longest, stacks)
    sys.argv = [program, *arguments]
    # The folder of this script comes first on the path and holds modules with common names.
    sys.path.pop(0)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
