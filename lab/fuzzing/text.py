"""Declarations of one subgraph, as data that grows, and its SDL; a `Graph` of such texts."""

import random
import re
from dataclasses import dataclass, field
from enum import Enum

from lab.fuzzing.spelling import respelt, with_typenames

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", '
    '"@requires", "@provides", "@override", "@interfaceObject", "@inaccessible", "@tag", "@context", "@fromContext"])\n'
)
SCALARS = "scalar Big\nscalar Json\n"
HIDDEN = (
    "directive @inaccessible on FIELD_DEFINITION | ENUM_VALUE | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION "
    "| INPUT_FIELD_DEFINITION\n"
)
ROOTS = ("Query", "Mutation", "Subscription")


@dataclass(frozen=True)
class Graph:
    """Texts of a case: the world is read from them, and nothing else is needed."""

    monolith: str
    subgraphs: dict[str, str]
    #: Where it isn't to be composed here: a supergraph that another composer made (join v0.1).
    supergraph: str = ""


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
    #: `extend type …`, as federation 1 has it.
    extends: bool = False

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
    #: Root types that have another name here: the name that they would have -> their own.
    roots: dict[str, str] = field(default_factory=dict)
    #: Chooses how defaults are written and where field sets ask for `__typename`; None: as they stand.
    spelling: random.Random | None = None
    #: A federation 1 schema: no `@link`.
    federation_1: bool = False

    def block(self, kind: Kind, name: str) -> Block:
        """The type, new if it isn't there."""
        if name not in self.blocks:
            self.blocks[name] = Block(kind, name)
        return self.blocks[name]


def render(graph: SubgraphText, *, monolith: bool = False) -> str:
    """SDL; the monolith's knows `@inaccessible` alone."""
    parts = [HIDDEN if monolith else "" if graph.federation_1 else LINK, SCALARS, _schema(graph)]
    values = [c + (" @inaccessible" if c in graph.hidden_colors else "") for c in graph.colors]
    parts.append(f"enum Color {{ {' '.join(values)} }}{_spelt(graph, graph.inputs)}")
    for block in graph.blocks.values():
        if not block.fields:
            continue
        implements = f" implements {' & '.join(sorted(block.implements))}" if block.implements else ""
        directives = "".join(f" {_asking(graph, d)}" for d in _shown(block.directives, monolith=monolith))
        lines = []
        for name, made in block.fields.items():
            shown = "".join(f" {_asking(graph, d)}" for d in _shown(made.directives, monolith=monolith))
            arguments, type_ = _spelt(graph, made.arguments), re.sub(r"\w+", lambda m: _name(graph, m[0]), made.type)
            lines.append(f"  {name}{arguments}: {type_}{shown}")
        head = f"{'extend ' if block.extends else ''}{block.kind.value} {_name(graph, block.name)}"
        parts.append(f"{head}{implements}{directives} {{\n" + "\n".join(lines) + "\n}\n")
    for name, members in graph.unions.items():
        parts.append(f"union {name} = {' | '.join(members)}\n")
    return "".join(part if not part or part.endswith("\n") else part + "\n" for part in parts)


def _shown(directives: list[str], *, monolith: bool) -> list[str]:
    return [d for d in directives if not monolith or d == "@inaccessible"]


def _schema(graph: SubgraphText) -> str:
    """A schema definition, where a root type has another name."""
    if not graph.roots:
        return ""
    present = [root for root in ROOTS if root in graph.blocks]
    return f"schema {{ {' '.join(f'{root.lower()}: {_name(graph, root)}' for root in present)} }}\n"


def _name(graph: SubgraphText, name: str) -> str:
    return graph.roots.get(name, name)


def _spelt(graph: SubgraphText, text: str) -> str:
    return text if graph.spelling is None else respelt(text, graph.spelling)


def _asking(graph: SubgraphText, directive: str) -> str:
    return directive if graph.spelling is None else with_typenames(directive, graph.spelling)
