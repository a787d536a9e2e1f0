"""Messages of a workflow -> the lines that are written together, bounded however much it says.

A batch holds a few hundred lines, an attempt a few thousand; of progress reports that follow one another in a batch
the last is kept. What is left out is said in a line of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared_schema.states import LogLevel

MAX_MESSAGE = 2_000
CUT = " … (cut here)"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `at` is this process' monotonic clock."""

    level: str
    message: str
    progress: float | None = None
    at: float = field(default_factory=time.monotonic)


def clean(message: str, limit: int = MAX_MESSAGE) -> str:
    """Text as Postgres takes it, cut at the limit, and saying so."""
    text = message.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


class LogBook:
    """The lines of one attempt that aren't written yet."""

    def __init__(self, *, batch_lines: int, attempt_lines: int) -> None:
        self._batch = batch_lines
        self._left = attempt_lines
        self._attempt = attempt_lines
        self._lines: list[Line] = []
        self._dropped = 0
        self._ended = False

    def __bool__(self) -> bool:
        return bool(self._lines) or self._dropped > 0

    def say(self, level: str, message: str) -> None:
        """Take a line of the workflow's."""
        known = level if level in LogLevel.__members__ else LogLevel.INFO.value
        self._add(Line(known, clean(message)))

    def report(self, progress: float, message: str) -> None:
        """Take a progress report; it takes the place of one that came just before."""
        line = Line(LogLevel.INFO.value, clean(message), progress)
        if self._lines and self._lines[-1].progress is not None:
            self._lines[-1] = line
        else:
            self._add(line)

    def lose(self, count: int) -> None:
        """Note lines that were lost on their way here."""
        self._dropped += count

    def take(self) -> Sequence[Line]:
        """Return the lines that have to be written now; afterwards the book is empty."""
        lines, self._lines = self._lines, []
        dropped, self._dropped = self._dropped, 0
        if self._ended:
            return ()
        if len(lines) >= self._left:
            lines = lines[: max(0, self._left - 1)]
            self._ended = True
            text = f"The log ends here: an attempt writes {self._attempt} lines at most. The run goes on."
            lines.append(Line(LogLevel.WARNING.value, text))
        elif dropped:
            said = "line was" if dropped == 1 else "lines were"
            lines.append(Line(LogLevel.WARNING.value, f"{dropped} {said} left out: too many at once."))
        self._left -= len(lines)
        return lines

    def _add(self, line: Line) -> None:
        if len(self._lines) < self._batch:
            self._lines.append(line)
        else:
            self._dropped += 1
