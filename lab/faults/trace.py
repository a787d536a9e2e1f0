"""Happenings in a run -> a JSON line each, with seconds since the beginning."""

import json
import time
from collections.abc import Callable
from pathlib import Path


class Trace:
    """Call it with an event and its facts; `say` is for people."""

    def __init__(self, file: Path, say: Callable[[str], None] = lambda line: None) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("w")
        self._began = time.monotonic()
        self.say = say

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def __call__(self, event: str, **facts: object) -> None:
        self._file.write(json.dumps({"at": round(self.seconds, 2), "event": event} | facts) + "\n")
        self._file.flush()

    def close(self) -> None:
        """The end."""
        self._file.close()
