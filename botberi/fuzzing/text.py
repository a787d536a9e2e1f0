"""What one subgraph declares, as data that grows, and its SDL."""

from dataclasses import dataclass, field
from enum import Enum

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", '
    '"@requires", "@provides", "@override", "@interfaceObject", "@inaccessible", "@tag", "@context", "@fromContext"])\n'
)
SCALARS = "scalar Big\nscalar Json\n"
HIDDEN = "directive @inaccessible on FIELD_DEFINITION | ENUM_VALUE\n"


class Kind(Enum):
    TYPE = "type"
    INTERFACE = "interface"


@dataclass
class Declared:
    """A field of a type."""

    arguments: str
    type: str
    directives: list[str]


@dataclass
class Block:
    """A type or interface."""

    kind: Kind
    name: str
    implements: set[str] = field(default_factory=set)
    directives: list[str] = field(default_factory=list)
    fields: dict[str, Declared] = field(default_factory=dict)

    def add(self, name: str, arguments: str, type_: str, *directives: str) -> None:
        """The first declaration stays."""
        self.fields.setdefault(name, Declared(arguments, type_, list(directives)))


@dataclass
class SubgraphText:
    """One subgraph (or the monolith)."""

    name: str
    blocks: dict[str, Block] = field(default_factory=dict)
    unions: dict[str, list[str]] = field(default_factory=dict)
    #: Interfaces that a field here returns.
    wanted: set[str] = field(default_factory=set)
    colors: tuple[str, ...] = ()
    hidden_colors: set[str] = field(default_factory=set)
    inputs: str = ""

    def block(self, kind: Kind, name: str) -> Block:
        """The type, new if it isn't there."""
        if name not in self.blocks:
            self.blocks[name] = Block(kind, name)
        return self.blocks[name]


def render(graph: SubgraphText, *, monolith: bool = False) -> str:
    """SDL; the monolith's knows `@inaccessible` alone."""
    parts = [HIDDEN if monolith else LINK, SCALARS]
    values = [c + (" @inaccessible" if c in graph.hidden_colors else "") for c in graph.colors]
    parts.append(f"enum Color {{ {' '.join(values)} }}{graph.inputs}")
    for block in graph.blocks.values():
        if not block.fields:
            continue
        implements = f" implements {' & '.join(sorted(block.implements))}" if block.implements else ""
        directives = "" if monolith else "".join(f" {d}" for d in block.directives)
        lines = []
        for name, made in block.fields.items():
            shown = [d for d in made.directives if not monolith or d == "@inaccessible"]
            lines.append(f"  {name}{made.arguments}: {made.type}{''.join(f' {d}' for d in shown)}")
        parts.append(f"{block.kind.value} {block.name}{implements}{directives} {{\n" + "\n".join(lines) + "\n}\n")
    for name, members in graph.unions.items():
        parts.append(f"union {name} = {' | '.join(members)}\n")
    return "".join(part if part.endswith("\n") else part + "\n" for part in parts)
