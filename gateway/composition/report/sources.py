"""A subgraph's SDL -> its lines and offsets as GraphQL counts them, and the AST node that stands at a place."""

import bisect
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from graphql import GraphQLError, Node, Visitor, parse, visit

from gateway.composition.problem import anchor

_LINE_END: Final = re.compile(r"\r\n|[\n\r]")
#: What a caret line underlines: a name, with its @; a string; else one character.
_TOKEN: Final = re.compile(r'@?\w+|"(?:[^"\\\n\r]|\\.)*"|.')


@dataclass
class SourceText:
    """One subgraph's text; `file` is where it was read from, if from a file."""

    subgraph: str
    sdl: str
    file: str | None = None
    _nodes: dict[int, list[Node]] | None = field(default=None, repr=False)

    @cached_property
    def starts(self) -> list[int]:
        """Offset of each line."""
        return [0, *(found.end() for found in _LINE_END.finditer(self.sdl))]

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its end; empty past the last one."""
        if not 1 <= number <= len(self.starts):
            return ""
        start = self.starts[number - 1]
        end = self.starts[number] if number < len(self.starts) else len(self.sdl)
        return self.sdl[start:end].rstrip("\r\n")

    def offset(self, line: int, column: int) -> int:
        """Within the text, whatever is asked."""
        if not 1 <= line <= len(self.starts):
            return len(self.sdl)
        return min(self.starts[line - 1] + column - 1, len(self.sdl))

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1."""
        line = bisect.bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def width(self, line: int, column: int) -> int:
        """How many characters the token there has; at least 1."""
        found = _TOKEN.match(self.line(line), column - 1)
        return max(1, len(found[0])) if found else 1

    def nodes(self, offset: int) -> list[Node]:
        """The nodes that begin there, the outermost first; none where the text can't be parsed."""
        if self._nodes is None:
            self._nodes = _by_offset(self.sdl)
        return self._nodes.get(offset, [])


def _by_offset(sdl: str) -> dict[int, list[Node]]:
    found: dict[int, list[Node]] = {}

    class Collector(Visitor):
        def enter(self, node: Node, *_: Any) -> None:
            if node.loc is not None:
                found.setdefault(anchor(node), []).append(node)

    try:
        visit(parse(sdl), Collector())
    except (GraphQLError, RecursionError):
        return {}
    return found
