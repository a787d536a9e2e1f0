"""The errors and hints of composition, with their places in the subgraphs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from graphql import Node

from botberi_gateway.federation.sdl import SdlSource

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
        """The problem as `botberi-gateway compose --json` prints it."""
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
    return (Location(subgraph, *_source(node).position(anchor(node))),)


def _source(node: Node) -> SdlSource:
    assert node.loc is not None
    source = node.loc.source
    assert isinstance(source, SdlSource)  # as composition reads every subgraph
    return source


def anchor(node: Node) -> int:
    """Offset of what is looked at first: past a description. For nodes that were read from an `SdlSource`."""
    assert node.loc is not None
    description = getattr(node, "description", None)
    if description is None or description.loc is None:
        return node.loc.start
    return _source(node).skip_ignored(description.loc.end)


def places(nodes: Iterable[tuple[str, Node | None]]) -> tuple[Location, ...]:
    """The places of several nodes, each with its subgraph."""
    return tuple(location for subgraph, node in nodes for location in place(subgraph, node))
