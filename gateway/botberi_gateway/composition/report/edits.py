"""Replacements in subgraphs' texts: what patches are made of, and how they are applied."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botberi_gateway.composition.report.sources import SourceText


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `sdl[start:end]` of a subgraph by `text`; lines and columns (from 1) say the same for editors."""

    subgraph: str
    file: str | None
    start: int
    end: int
    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    #: The lines that change, before and after.
    before: str
    after: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "subgraph": self.subgraph,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "endLine": self.end_line,
            "endColumn": self.end_column,
            "text": self.text,
            "before": self.before,
            "after": self.after,
        }


def edit(source: SourceText, start: int, end: int, text: str) -> Edit:
    """An edit of `source`, with the lines that it changes."""
    line, column = source.position(start)
    end_line, end_column = source.position(end)
    first = source.starts[line - 1]
    # A line that goes with its end is no change of the next one.
    shown = source.position(max(start, end - 1))[0]
    last = source.starts[shown] if shown < len(source.starts) else len(source.sdl)
    before = source.sdl[first:last].rstrip("\r\n")
    after = (source.sdl[first:start] + text + source.sdl[end:last]).rstrip("\r\n")
    return Edit(source.subgraph, source.file, start, end, line, column, end_line, end_column, text, before, after)


def apply(sdl: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made; of those that overlap the first one alone."""
    done = len(sdl) + 1
    for edit_ in sorted(set(edits), key=lambda e: (e.start, e.end), reverse=True):
        if edit_.end <= done:
            sdl = sdl[: edit_.start] + edit_.text + sdl[edit_.end :]
            done = edit_.start
    return sdl
