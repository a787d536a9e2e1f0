"""A problem -> a finding: its places with files and excerpts, what was expected, and a patch if `fixes.py` has one."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botberi_gateway.composition.problem import Level, Problem
from botberi_gateway.composition.report.codes import meaning
from botberi_gateway.composition.report.edits import Edit
from botberi_gateway.composition.report.fixes import fix
from botberi_gateway.composition.report.sources import SourceText
from botberi_gateway.composition.subgraph import Subgraph

__all__ = ["Edit", "Finding", "Place", "findings"]

#: Longer lines are shown around the place only: a description of a megabyte is one line.
MAX_EXCERPT: Final = 160
#: The page of a code, beside the project's documentation.
PAGE: Final = "docs/reference/errors/{code}.md"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a subgraph, with the line that stands there and a line that points at it."""

    subgraph: str
    file: str | None
    line: int
    column: int
    width: int
    excerpt: str
    caret: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "subgraph": self.subgraph,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "excerpt": self.excerpt,
            "caret": self.caret,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One error or hint, as reports show it. `message` is one sentence, `details` what explains it further."""

    code: str
    level: Level
    message: str
    details: tuple[str, ...]
    places: tuple[Place, ...]
    says: str
    expected: str
    patch: tuple[Edit, ...]

    @property
    def page(self) -> str:
        return PAGE.format(code=self.code)

    def as_dict(self) -> dict[str, Any]:
        """`locations` is a list of places, as in `Problem.as_dict`, with more in each."""
        return {
            "code": self.code,
            "level": self.level,
            "message": self.message,
            "details": list(self.details),
            "locations": [place.as_dict() for place in self.places],
            "expected": self.expected,
            "patch": [edit.as_dict() for edit in self.patch],
            "documentation": self.page,
        }


def findings(
    problems: Iterable[Problem], subgraphs: Sequence[Subgraph], files: Mapping[str, str] | None = None
) -> list[Finding]:
    """One finding for each problem, in their order. `files`: subgraphs' names -> the files that they were read from."""
    sources = {s.name: SourceText(s.name, s.sdl, (files or {}).get(s.name)) for s in subgraphs}
    return [_finding(problem, sources) for problem in problems]


def _finding(problem: Problem, sources: Mapping[str, SourceText]) -> Finding:
    first, *rest = problem.message.split("\n")
    explanation = meaning(problem.code)
    return Finding(
        code=problem.code,
        level=problem.level,
        message=first,
        details=tuple(line.strip() for line in rest),
        places=tuple(_place(at.subgraph, at.line, at.column, sources) for at in problem.locations),
        says=explanation.says if explanation else "",
        expected=explanation.expected if explanation else "",
        patch=tuple(fix(problem, sources)),
    )


def _place(subgraph: str, line: int, column: int, sources: Mapping[str, SourceText]) -> Place:
    source = sources.get(subgraph) or SourceText(subgraph, "")
    text, width = source.line(line), source.width(line, column)
    start = 0
    if len(text) > MAX_EXCERPT:
        start = max(0, min(column - 1 - MAX_EXCERPT // 2, len(text) - MAX_EXCERPT))
        text = text[start : start + MAX_EXCERPT]
    before = re.sub(r"[^\t]", " ", text[: column - 1 - start])
    caret = before + "^" * max(1, min(width, len(text) - len(before)))
    return Place(subgraph, source.file, line, column, width, _printable(text), caret)


def _printable(text: str) -> str:
    """The text with a replacement sign for each control character, which a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
