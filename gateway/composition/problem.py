"""What composition finds wrong (errors) or odd (hints), with the places in the subgraphs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from graphql import Node, Token

Level: TypeAlias = Literal["ERROR", "WARN", "INFO", "DEBUG"]


class LimitExceeded(Exception):
    """A bound that protects against hostile input was met; the message says which."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a subgraph's SDL; line and column count from 1."""

    subgraph: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """An error (`level` ERROR) or a hint."""

    code: str
    message: str
    locations: tuple[Location, ...] = ()
    level: Level = "ERROR"

    def as_dict(self) -> dict[str, Any]:
        """What `botberi compose --json` prints."""
        return {
            "code": self.code,
            "message": self.message,
            "level": self.level,
            "locations": [{"subgraph": at.subgraph, "line": at.line, "column": at.column} for at in self.locations],
        }


def place(subgraph: str, node: Node | None) -> tuple[Location, ...]:
    """Where a node stands; nothing for a node that composition itself made."""
    if node is None or node.loc is None:
        return ()
    token = _anchor(node)
    return (Location(subgraph, token.line, token.column),)


def anchor(node: Node) -> int:
    """Offset of what is looked at first: past a description."""
    return _anchor(node).start


def _anchor(node: Node) -> Token:
    """Tokens know their line and column; asking for those of an offset would read the text up to there each time."""
    assert node.loc is not None
    description = getattr(node, "description", None)
    after = description.loc.end_token.next if description is not None and description.loc is not None else None
    return after or node.loc.start_token


def places(found: Iterable[tuple[str, Node | None]]) -> tuple[Location, ...]:
    """The places of several nodes, each with its subgraph."""
    return tuple(location for subgraph, node in found for location in place(subgraph, node))
