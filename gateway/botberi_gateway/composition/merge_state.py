"""The data that merging a type shares with all others: subgraphs, the type hierarchy, and the problems so far."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias

from graphql import Node

from botberi_gateway.composition.composed_directives import ComposedDirectives
from botberi_gateway.composition.problem import Level, Problem, places
from botberi_gateway.composition.subgraph import FieldDef, SubgraphSchema, TypeDef
from botberi_gateway.supergraph import TypeKind

Source: TypeAlias = tuple[SubgraphSchema, TypeDef, FieldDef]


@dataclass(slots=True)
class MergeState:
    """`kinds`, `implementers` and `members` are of the merged graph, known before fields are looked at."""

    schemas: Sequence[SubgraphSchema]
    composed: ComposedDirectives
    kinds: dict[str, TypeKind] = field(default_factory=dict)
    interfaces: dict[str, set[str]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    #: Coordinate of each field that several subgraphs resolve -> these.
    shared: list[tuple[str, list[Source]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    hints: list[Problem] = field(default_factory=list)
    #: Names of enums and whether they are met in input or output positions.
    used_as_input: set[str] = field(default_factory=set)
    used_as_output: set[str] = field(default_factory=set)

    #: Names of all subgraphs, and of the interfaces that some subgraph has as an `@interfaceObject`.
    names: frozenset[str] = field(init=False)
    interface_objects: frozenset[str] = field(init=False)
    _sources: dict[str, list[tuple[SubgraphSchema, TypeDef]]] = field(init=False, repr=False)

    #: Types whose kinds differ: other problems are reported only for the subgraphs that have the merged kind.
    mismatched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names = frozenset(s.name for s in self.schemas)
        self._sources = {}
        for schema in self.schemas:
            for type_ in schema.types.values():
                self._sources.setdefault(type_.name, []).append((schema, type_))
        self.interface_objects = frozenset(
            name for name, sources in self._sources.items() if any(t.is_interface_object for _, t in sources)
        )

    def sources(self, name: str) -> list[tuple[SubgraphSchema, TypeDef]]:
        """The subgraphs that have this type, with their view of it."""
        sources = self._sources.get(name, [])
        if name in self.mismatched:
            return [(s, t) for s, t in sources if kind_of(t) == self.kinds[name]]
        return sources

    def error(self, code: str, message: str, at: Iterable[tuple[SubgraphSchema, Node | None]] = ()) -> None:
        self.problems.append(Problem(code, message, places((s.name, n) for s, n in at)))

    def hint(
        self, code: str, message: str, level: Level, at: Iterable[tuple[SubgraphSchema, Node | None]] = ()
    ) -> None:
        self.hints.append(Problem(code, message, places((s.name, n) for s, n in at), level))

    def implementers(self, interface: str) -> list[str]:
        """Object types of the merged graph that implement the interface."""
        return [n for n, names in self.interfaces.items() if interface in names and self.kinds.get(n) == "OBJECT"]

    def is_named_subtype(self, name: str, of: str) -> bool:
        return of in self.interfaces.get(name, ()) or name in self.members.get(of, ())

    def given_by_interface_objects(
        self, type_name: str, name: str, already: AbstractSet[str] = frozenset()
    ) -> list[Source]:
        """A subgraph that has the interface as an object resolves the field for every implementation."""
        sources: list[Source] = []
        interfaces = self.interfaces.get(type_name, set()) & self.interface_objects
        if not interfaces:
            return sources
        for schema in self.schemas:
            if schema.name in already or type_name in schema.types:
                continue
            for interface in interfaces:
                owner = schema.types.get(interface)
                if owner is not None and owner.is_interface_object and name in owner.fields:
                    field = owner.fields[name]
                    if not schema.is_external(owner, field):
                        sources.append((schema, owner, field))
                        break
        return sources


def kind_of(type_: TypeDef) -> TypeKind:
    """The kind that a type has in the supergraph."""
    return "INTERFACE" if type_.is_interface_object else type_.kind


def names_of(schemas: Iterable[SubgraphSchema]) -> str:
    """`"a", "b" and "c"`, for messages."""
    quoted = [f'"{s.name}"' for s in schemas]
    if len(quoted) < 2:
        return "".join(quoted)
    return ", ".join(quoted[:-1]) + " and " + quoted[-1]
