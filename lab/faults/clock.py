"""A folder -> processes' wall clock, wrong by the seconds in a file there; their monotonic clock stays right.

As on a machine whose time was set wrong. It needs libfaketime, which is loaded as a process begins.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: Debian and its kin; the build for programs with threads.
_PLACES: Final = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_LIBRARY: Final = "faketime/libfaketimeMT.so.1"
#: What loads a library into a process that begins.
PRELOAD: Final = "LD_PRELOAD"
#: libfaketime 0.9.10 makes nonsense of a sleep until a moment of the monotonic clock, which Python's is (refused, or
#: hours).
_SLEEP: Final = """\
import select, time
time.sleep = lambda seconds: select.select((), (), (), seconds) and None
"""
#: A changed file is noticed within this.
NOTICED_SECONDS: Final = 1.0


def library() -> Path | None:
    """Path of libfaketime, if it is installed."""
    for place in _PLACES:
        for found in sorted((*Path(place).glob(_LIBRARY), *Path(place).glob(f"*/{_LIBRARY}"))):
            return found
    return None


class WrongClock:
    """The wall clock of the processes that have its `environment`."""

    def __init__(self, folder: Path, offset: float = 0.0) -> None:
        """`offset`: seconds beside the true time; the folder is this clock's alone."""
        folder.mkdir(exist_ok=True)
        # Imported by every interpreter before anything else.
        (folder / "sitecustomize.py").write_text(_SLEEP)
        self._folder = folder
        self._file = folder / "offset"
        self.set(offset)

    def set(self, offset: float) -> None:
        """Jump; processes that run notice it within `NOTICED_SECONDS`."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset:+.3f}\n")
        # In one step: a file that was read empty would be the true time for a second.
        fresh.replace(self._file)

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment of a process that has this clock. Raises `FileNotFoundError` without libfaketime."""
        found = library()
        if found is None:
            raise FileNotFoundError("libfaketime is not installed (apt-get install libfaketime)")
        return {
            PRELOAD: str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(int(NOTICED_SECONDS)),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(self._folder), os.environ.get("PYTHONPATH")))),
        }
