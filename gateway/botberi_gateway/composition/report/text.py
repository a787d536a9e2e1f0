"""Findings -> text for people: grouped by code, with excerpts, and coloured where the reader's screen can."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from botberi_gateway.composition.problem import Problem
from botberi_gateway.composition.report.findings import Finding, Place, findings
from botberi_gateway.composition.subgraph import Subgraph

#: Words and ANSI styles -> what is printed.
Paint: TypeAlias = Callable[..., str]

_RED, _YELLOW, _BLUE, _GREEN, _BOLD, _DIM = "31", "33", "34", "32", "1", "2"
_COLOURS: Final = {"ERROR": _RED, "WARN": _YELLOW, "INFO": _BLUE, "DEBUG": _DIM}
_WORDS: Final = {"ERROR": "error", "WARN": "warning", "INFO": "hint", "DEBUG": "hint"}
#: A patch shows so many changed lines at most.
_MAX_LINES: Final = 20


def text(results: Iterable[Finding], *, colour: bool = False) -> str:
    """Hints come first, so that errors stand next to the prompt. Empty for no findings."""
    groups: dict[tuple[bool, str], list[Finding]] = {}
    for finding in results:
        groups.setdefault((finding.level == "ERROR", finding.code), []).append(finding)
    paint = _paint if colour else _plain
    blocks = ["\n".join(_group(groups[key], paint)) for key in sorted(groups)]
    return "".join(f"{block}\n\n" for block in blocks).rstrip("\n") + ("\n" if blocks else "")


def render(problems: Iterable[Problem], subgraphs: Sequence[Subgraph]) -> str:
    """Problems as they come from `compose` -> text without colours."""
    return text(findings(problems, subgraphs))


def _plain(words: str, *styles: str) -> str:
    return words


def _paint(words: str, *styles: str) -> str:
    return f"\x1b[{';'.join(styles)}m{words}\x1b[0m"


def _group(group: list[Finding], paint: Paint) -> Iterator[str]:
    first = group[0]
    count = f" ({len(group)})" if len(group) > 1 else ""
    yield f"{paint(_WORDS[first.level], _BOLD, _COLOURS[first.level])} {paint(first.code, _BOLD)}{count}"
    for finding in group:
        yield f"  {paint(finding.message, _BOLD)}"
        for line in finding.details:
            yield f"    {line}"
        for place in finding.places:
            yield from (f"    {line}" for line in _excerpt(place, paint))
        for edit in finding.patch:
            where = edit.file or edit.subgraph
            yield f"    {paint('fix', _GREEN)} {where}:{edit.line}"
            yield from (f"      {paint('- ' + line, _RED)}" for line in edit.before.splitlines()[:_MAX_LINES])
            yield from (f"      {paint('+ ' + line, _GREEN)}" for line in edit.after.splitlines()[:_MAX_LINES])
    if first.expected:
        yield f"  {paint('expected:', _BLUE)} {first.expected}"
    yield f"  {paint('see:', _DIM)} {first.page}"


def _excerpt(place: Place, paint: Paint) -> Iterator[str]:
    number = str(place.line)
    margin = " " * len(number)
    file = place.file or place.subgraph
    where = f"{file}:{place.line}:{place.column}"
    yield f"{margin}{paint('-->', _BLUE)} {where}" + (f" (subgraph {place.subgraph})" if place.file else "")
    if place.excerpt.strip():
        yield f"{paint(number + ' |', _BLUE)} {place.excerpt}"
        yield f"{paint(margin + ' |', _BLUE)} {paint(place.caret, _RED)}"
