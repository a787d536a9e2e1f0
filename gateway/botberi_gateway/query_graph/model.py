"""The facts of a query graph as plain data.

A field and a type as one subgraph has them, who resolves a field, by which key one enters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import NamedTuple, TypeAlias

from botberi_gateway.supergraph import ContextArgument

#: A subgraph, and the interface for whose objects it takes them: empty where it takes objects for what they are.
Host: TypeAlias = tuple[str, str]


class FieldType(NamedTuple):
    """A field's type: its named type, the number of list levels, and the whole as text."""

    name: str
    list_depth: int
    text: str


@dataclass(frozen=True, slots=True)
class SubgraphField:
    """A field as one subgraph has it. It resolves `external` ones only where `@provides` says so."""

    name: str
    type_name: str
    list_depth: int
    #: The type as text, with lists and `!`.
    shape: str
    external: bool = False
    requires: str | None = None
    provides: str | None = None
    #: Arguments that come from an ancestor (`@fromContext`).
    contexts: tuple[ContextArgument, ...] = ()

    @property
    def needs_more(self) -> bool:
        """Whether values of other fields have to be sent along: having the object isn't enough."""
        return bool(self.requires or self.contexts)

    @property
    def is_local(self) -> bool:
        """Whether the subgraph gives the field of every object that it has."""
        return not self.external and not self.requires and not self.contexts


@dataclass(frozen=True, slots=True)
class SubgraphType:
    """A composite type as one subgraph has it; `possible` are the concrete supergraph types that it can be there."""

    graph: str
    name: str
    kind: str
    is_interface_object: bool
    fields: Mapping[str, SubgraphField]
    possible: frozenset[str]
    keys: tuple[str, ...]
    #: The supergraph doesn't say that the subgraph has the type (`JoinType.is_assumed`).
    is_assumed: bool = False

    @property
    def is_abstract(self) -> bool:
        """Whether `__typename` is needed to know an object's type."""
        return self.kind != "OBJECT"

    @property
    def as_interface(self) -> str:
        """The type's name where the subgraph has it as `@interfaceObject`, else empty: see `Resolver.as_interface`."""
        return self.name if self.is_interface_object else ""


@dataclass(frozen=True, slots=True)
class Resolver:
    """`graph` resolves the field on `type_name`: the object type, or an interface that is an `@interfaceObject` there.

    `as_interface` is the interface for whose object the subgraph takes it, empty where it takes the object for what it
    is. A subgraph may have several interfaces of one type as `@interfaceObject`: having an object as one of them gives
    no field of another.
    """

    graph: str
    type_name: str
    field: SubgraphField
    as_interface: str = ""
    #: Where the field is resolved. Kept, as planning compares hosts all the time.
    host: Host = dataclass_field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", (self.graph, self.as_interface))


@dataclass(frozen=True, slots=True)
class KeyEdge:
    """`graph` takes representations of `type_name` with `key`; `as_interface` as in `Resolver`."""

    graph: str
    type_name: str
    key: str
    as_interface: str = ""
    #: Where it leads to. Kept, as planning compares hosts all the time.
    host: Host = dataclass_field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", (self.graph, self.as_interface))


class Promise(NamedTuple):
    """A `@provides`: its field set, and the type that this is a field set of."""

    type_name: str
    provides: str
