"""A subgraph's SDL -> its lines and offsets as GraphQL counts them, and the AST node that stands at a place."""

import bisect
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from graphql import DocumentNode, GraphQLError, Node, TypeDefinitionNode, TypeExtensionNode, Visitor, parse, visit

from botberi_gateway.composition.problem import anchor
from botberi_gateway.federation import Link, read_links
from botberi_gateway.federation.sdl import SdlSource
from botberi_gateway.federation.versions import FEDERATION

_LINE_END: Final = re.compile(r"\r\n|[\n\r]")
#: What a caret line underlines: a name, with its @; a string; else one character.
_TOKEN: Final = re.compile(r'@?\w+|"(?:[^"\\\n\r]|\\.)*"|.')


@dataclass
class SourceText:
    """One subgraph's text; `file` is where it was read from, if from a file."""

    subgraph: str
    sdl: str
    file: str | None = None

    @cached_property
    def starts(self) -> list[int]:
        """Offset of each line."""
        return [0, *(match.end() for match in _LINE_END.finditer(self.sdl))]

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
        match = _TOKEN.match(self.line(line), column - 1)
        return max(1, len(match[0])) if match else 1

    def nodes(self, offset: int) -> list[Node]:
        """The nodes that begin there, the outermost first; none where the text can't be parsed."""
        return self._nodes.get(offset, [])

    def siblings(self, field: Node) -> int:
        """How many fields its type has, itself included."""
        return self._siblings.get(id(field), 0)

    def federation_name(self, directive: str) -> str | None:
        """How the subgraph can write a federation directive: imported, or by the specification's namespace."""
        return self._link.directive_name(directive) if self._link is not None else None

    # What follows is made once for a text, however many problems it has.

    @cached_property
    def _document(self) -> DocumentNode | None:
        try:
            return parse(SdlSource(self.sdl))
        except (GraphQLError, RecursionError):
            return None

    @cached_property
    def _nodes(self) -> dict[int, list[Node]]:
        return _by_offset(self._document) if self._document is not None else {}

    @cached_property
    def _siblings(self) -> dict[int, int]:
        definitions = self._document.definitions if self._document is not None else ()
        types = [d for d in definitions if isinstance(d, TypeDefinitionNode | TypeExtensionNode)]
        return {id(f): len(fields) for d in types for fields in [getattr(d, "fields", None) or ()] for f in fields}

    @cached_property
    def _link(self) -> Link | None:
        return read_links(self._document).of(FEDERATION) if self._document is not None else None


def _by_offset(document: DocumentNode) -> dict[int, list[Node]]:
    by_offset: dict[int, list[Node]] = {}

    class Collector(Visitor):
        def enter(self, node: Node, *_: Any) -> None:
            if node.loc is not None:
                by_offset.setdefault(anchor(node), []).append(node)

    visit(document, Collector())
    return by_offset
