"""Problems and the subgraphs they are about -> text for people, with the line and a caret for each place."""

from collections.abc import Iterable, Sequence

from gateway.composition.problem import Location, Problem
from gateway.composition.subgraph import Subgraph

#: A line longer than this is cut around the caret.
WIDTH = 120


def render(problems: Iterable[Problem], subgraphs: Sequence[Subgraph]) -> str:
    """One block a problem: code and sentence, then `subgraph:line:column` with the line itself."""
    sources = {s.name: s.sdl for s in subgraphs}
    blocks = []
    for problem in problems:
        kind = "error" if problem.level == "ERROR" else "hint"
        lines = [f"{kind} {problem.code}: {problem.message}"]
        for location in problem.locations:
            lines += _excerpt(location, sources.get(location.subgraph, ""))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _excerpt(location: Location, sdl: str) -> list[str]:
    place = f"  --> {location.subgraph}:{location.line}:{location.column}"
    lines = sdl.splitlines()
    if not 1 <= location.line <= len(lines):
        return [place]
    text = lines[location.line - 1].replace("\t", " ")
    column = location.column - 1
    if len(text) > WIDTH:
        start = max(0, column - WIDTH // 2)
        text, column = text[start : start + WIDTH], column - start
    return [place, f"   | {text}", f"   | {' ' * column}^"]
